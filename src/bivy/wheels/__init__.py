"""What has no wheel for musl is compiled into one, once, outside the image."""

from __future__ import annotations

from bivy.wheels.build import FOLDER, Built, Settings, State, build_wheels
from bivy.wheels.find import Candidate

__all__ = ["FOLDER", "Built", "Candidate", "Settings", "State", "build_wheels"]
