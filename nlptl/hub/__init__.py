"""Floor 5: a folder with its record goes to the Hugging Face Hub and comes back whole."""
