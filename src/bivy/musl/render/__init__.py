"""A report of `check` for whoever reads it: as JSON, as SARIF, as a page; each says the same."""
