"""Weights of a network: their averages, a copy in bfloat16, and sharding over processes."""
