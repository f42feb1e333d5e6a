"""Save fitted models in folders, for nlptl and for other libraries."""
