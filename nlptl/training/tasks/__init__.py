"""Training one network on several tasks: batches, losses, and similarity of the tasks."""
