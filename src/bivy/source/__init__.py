"""A pin becomes a verified file, and a verified file a folder."""
