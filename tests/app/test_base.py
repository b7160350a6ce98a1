"""What is known of a base, without starting anything in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bivy.app.base import read_base, scan
from bivy.errors import BivyError, UsageError
from bivy.oci.image import Image, add_layer
from bivy.oci.layer import layer_from_tree
from bivy.rootfs.tree import Tree
from tests.app.making import FILES, LINKS, SITE, base_image


def test_the_base_s_python_packages_and_distributions_are_found(tmp_path: Path) -> None:
    base = read_base(base_image(), tmp_path)
    assert (base.python, base.interpreter, base.prefix) == ("3.14", "/usr/local/bin/python3.14", "usr/local")
    assert base.site_packages == SITE
    assert base.distributions == {"pip": "26.0"}
    assert [(each.name, each.version) for each in base.packages] == [("musl", "1.2.6-r0")]
    assert (base.musl, str(base.system)) == ("1.2.6", "alpine-3.22.1")
    assert base.files["usr/local/bin/python3"] == "python3.14"


def test_what_is_known_is_kept(tmp_path: Path) -> None:
    image = base_image()
    assert read_base(image, tmp_path) == read_base(Image(image.config, (), config_blob=image.config_blob,
                                                         manifest=image.manifest), tmp_path)  # fmt: skip


def test_a_python_of_alpine_s_own_is_found_where_it_is(tmp_path: Path) -> None:
    files = {path: content for path, content in FILES.items() if not path.startswith("usr/local")}
    files["usr/bin/python3.12"] = b""
    base = read_base(base_image(files, {"bin/python3": "../usr/bin/python3.12"}), tmp_path)
    assert (base.interpreter, base.site_packages) == ("/usr/bin/python3.12", "usr/lib/python3.12/site-packages")


def test_a_base_without_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the base has no python3"):
        read_base(base_image(FILES, {}), tmp_path)


def test_a_base_on_glibc_is_refused(tmp_path: Path) -> None:
    files = {path: content for path, content in FILES.items() if "ld-musl" not in path}
    with pytest.raises(UsageError, match="not on musl"):
        read_base(base_image(files), tmp_path)


def test_what_a_higher_layer_removes_is_not_there() -> None:
    from bivy.apk.entry import Entry, Kind

    above = Tree.of([Entry("usr/local/bin/.wh.python", Kind.FILE, 0o644), Entry("etc/new", Kind.FILE, 0o644)])
    tree = scan(add_layer(base_image(FILES, LINKS), layer_from_tree(above)))
    assert "usr/local/bin/python" not in tree.entries
    assert "etc/new" in tree.entries


def test_a_damaged_layer_is_named(tmp_path: Path) -> None:
    from bivy.oci.layer import Layer

    image = base_image()
    import dataclasses

    bad = dataclasses.replace(image, layers=(Layer("application/x", image.layers[0].blob, "sha256:" + "0" * 64),))
    with pytest.raises(BivyError, match="layer sha256"):
        read_base(bad, tmp_path)
