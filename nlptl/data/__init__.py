"""Floor 1: texts and labels in, splits and batches out, and an audit before anything is trained."""
