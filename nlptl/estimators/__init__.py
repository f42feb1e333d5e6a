"""Floor 6: the estimators that users call. They connect the other floors, without mathematics."""
