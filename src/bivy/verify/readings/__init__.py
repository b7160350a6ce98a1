"""What can be found out about an image without running anything in it."""

from __future__ import annotations

from bivy.verify.readings import layout, libraries, packages, root, umoci, variant
from bivy.verify.readings.registry import READINGS

__all__ = ["READINGS", "layout", "libraries", "packages", "root", "umoci", "variant"]
