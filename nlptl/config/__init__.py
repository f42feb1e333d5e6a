"""Floor 9: build objects from YAML files and flags, with closed tables of names."""
