"""What the tests of install scripts share: a shell that bivy built."""

from __future__ import annotations

import os

import pytest

from bivy.apk.package import Package, read_package
from bivy.arch import build_machine
from bivy.build.builder import build
from bivy.build.graph import Recipes, plan
from bivy.files import cache_folder
from bivy.progress import Silent
from bivy.sandbox import why_no_sandbox
from bivy.source.places import Mirrors


@pytest.fixture(scope="session")
def shell() -> list[Package]:
    """The packages that scripts need, in the order of installation; built from sources where the cache has none."""
    if why_no_sandbox() is not None:
        pytest.skip(f"no sandbox: {why_no_sandbox()}")
    names = ["alpine-baselayout-data", "alpine-baselayout", "musl", "busybox", "busybox-binsh"]
    nodes = plan(names, build_machine(), Recipes(), {})
    built = build(nodes, cache=cache_folder(), jobs=os.cpu_count() or 1, mirrors=Mirrors(), progress=Silent())
    found = {package.info.name: package for paths in built.values() for package in map(read_package, paths)}
    return [found[name] for name in names]
