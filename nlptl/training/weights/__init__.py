"""The weights of a network: their averages, their twin in fewer digits, their parts elsewhere."""
