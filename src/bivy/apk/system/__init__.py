"""A root filesystem: what is installed in it, and how that changes."""
