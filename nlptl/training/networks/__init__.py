"""Networks that the training loop trains, on features or on texts."""
