"""A recipe becomes packages."""
