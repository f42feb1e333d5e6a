"""Floor 7: save fitted models in folders, for nlptl and for other libraries."""
