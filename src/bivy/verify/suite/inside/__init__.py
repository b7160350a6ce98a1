"""What runs in the image: the standard library alone, of whatever version the image has."""
