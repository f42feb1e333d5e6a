"""Fit a model: the plan, the data, frozen features, tuning of the encoder and the head."""
