"""Tables of the pages that are generated from the ledgers of the benchmarks."""
