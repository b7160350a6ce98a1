"""CPython's own test suite runs in an image, and what came of it is compared with what is known to fail on musl."""
