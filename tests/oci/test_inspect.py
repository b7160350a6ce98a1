import pytest

from bivy.apk.database import database_entries
from bivy.apk.entry import Entry
from bivy.apk.info import PackageInfo
from bivy.apk.package import Package
from bivy.oci.config import ImageConfig
from bivy.oci.image import Image, make_image
from bivy.oci.inspect import inspect
from bivy.oci.layer import layer_from_tree
from bivy.rootfs.install import install
from bivy.rootfs.tree import Tree
from tests.oci.images import sample
from tests.rootfs.trees import file, folder


def package(name: str, *entries: Entry) -> Package:
    return Package(PackageInfo(name, "1-r0", "x86_64", license="MIT"), entries, {}, "Q1" + "A" * 27 + "=", 0)


@pytest.fixture
def image() -> Image:
    noise = bytes(number * number * 7919 // 251 % 256 for number in range(40_000))
    musl = package("musl", folder("lib"), file("lib/libc.so", noise))
    python = package(
        "python", folder("usr"), folder("usr/lib"), file("usr/lib/one.py", noise[:20_000]), file("usr/two")
    )
    trees = [*install([[musl], [python]]), Tree.of(database_entries([musl, python], ["python"], "x86_64"))]
    layers = [layer_from_tree(tree, created_by=str(number)) for number, tree in enumerate(trees)]
    return make_image(ImageConfig("amd64"), layers)


def test_packages_are_told_with_their_version_licence_and_sizes_largest_first(image: Image) -> None:
    packages = inspect(image).packages
    assert [(each.name, each.version, each.license, each.unpacked) for each in packages] == [
        ("musl", "1-r0", "MIT", 40_000),
        ("python", "1-r0", "MIT", 20_000),
    ]


def test_a_packages_part_of_the_compressed_bytes_is_its_share_of_its_layer(image: Image) -> None:
    report = inspect(image)
    musl, python = report.packages
    assert 0.9 * image.layers[0].size < musl.compressed <= image.layers[0].size
    assert 0.7 * image.layers[1].size < python.compressed <= image.layers[1].size
    assert 0 < report.unowned <= image.layers[2].size
    assert musl.compressed + python.compressed + report.unowned <= report.size


def test_layers_are_told_with_their_sizes_and_what_made_them(image: Image) -> None:
    report = inspect(image)
    assert [(each.created_by, each.files, each.unpacked) for each in report.layers[:2]] == [
        ("0", 1, 40_000),
        ("1", 2, 20_000),
    ]
    assert [each.digest for each in report.layers] == [layer.digest for layer in image.layers]
    assert report.size == image.size == sum(each.size for each in report.layers)
    assert (report.digest, report.platform) == (image.digest, "linux/amd64")


def test_the_largest_files_are_told(image: Image) -> None:
    assert inspect(image, largest=2).largest == (("lib/libc.so", 40_000), ("usr/lib/one.py", 20_000))


def test_only_what_a_container_sees_counts() -> None:
    report = inspect(sample())
    assert report.tree.read("etc/motd") == b"high"
    assert report.unpacked == report.tree.size
    assert report.packages == ()
