"""Commands that ask: a saved model about texts, or texts about themselves."""
