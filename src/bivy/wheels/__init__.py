"""What has no wheel for musl is compiled into one, once, outside the image."""

from __future__ import annotations

from bivy.wheels.build import Built, Settings, State, build_wheels

__all__ = ["Built", "Settings", "State", "build_wheels"]
