"""Package repositories: made, indexed, signed, and served for trying them out."""
