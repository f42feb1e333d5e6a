"""Floor 8: the estimators that users meet."""
