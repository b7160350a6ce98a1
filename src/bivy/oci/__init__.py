"""A tree becomes layers, and layers an image that can be written, read and inspected."""
