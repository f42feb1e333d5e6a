"""Commands that train a model, or compare ways of training."""
