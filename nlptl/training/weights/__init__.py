"""Weights of a network: learning rates, averages, a copy in bfloat16, and sharding."""
