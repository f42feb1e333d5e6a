"""Floor 0 (lowest layer): errors, protocols, parameter access, seeds. Imports no other floor."""
