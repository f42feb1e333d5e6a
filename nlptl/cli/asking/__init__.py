"""Commands that use a saved model or check a table, without training."""
