"""A command runs in an image, here, without a daemon."""
