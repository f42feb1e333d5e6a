"""Floor 3: metrics, intervals and paired comparisons. Does not import the training loop."""
