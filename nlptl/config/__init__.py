"""Floor 7: from YAML and flags to objects, over closed tables of names."""
