"""bivy makes Python images on Alpine, without the caveats."""

__version__ = "0.1.0"
