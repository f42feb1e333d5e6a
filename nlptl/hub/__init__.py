"""Floor 5: publish folders with a manifest on the Hugging Face Hub and fetch them complete."""
