"""Alpine's package format and its repository, with nothing but the standard library."""
