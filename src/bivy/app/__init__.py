"""A Python project becomes an image, one storey higher than the base, without a Dockerfile."""
