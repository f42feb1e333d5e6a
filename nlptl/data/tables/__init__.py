"""Read and write tables in files, completely or piece by piece."""
