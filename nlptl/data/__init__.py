"""Floor 1: read texts and labels, build splits and batches, and audit data before training."""
