"""An image's definition becomes an image: the whole pipeline, in order."""
