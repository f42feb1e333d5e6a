"""Floor 3: what is carried over. Knows nothing of the training loop."""
