"""Where the bytes of an image are, as blocks within blocks."""

from __future__ import annotations

from collections.abc import Iterator

from bivy.oci.config import ImageConfig
from bivy.oci.image import make_image
from bivy.oci.layer import layer_from_tree
from bivy.page.blocks import Block, blocks_of
from bivy.page.facts import gather
from bivy.rootfs.tree import Tree
from tests.page.images import NOISE, bare_facts, image_of, package, python_facts
from tests.rootfs.trees import file, folder


def walk(blocks: tuple[Block, ...]) -> Iterator[Block]:
    for block in blocks:
        yield block
        yield from walk(block.blocks)


def test_layers_have_packages_and_these_their_files() -> None:
    base, python, database = blocks_of(python_facts())
    assert [block.label for block in base.blocks] == ["musl", "base"]
    assert [block.label for block in python.blocks] == ["python"]
    assert [block.label for block in python.blocks[0].blocks][:2] == ["python3.14", "os.py"]
    assert [block.label for block in database.blocks] == ["no package's"]


def test_every_byte_is_in_one_block() -> None:
    facts = python_facts()
    blocks = blocks_of(facts)
    assert sum(block.size for block in blocks) == facts.unpacked
    for block in walk(blocks):
        if block.blocks:
            assert sum(inner.size for inner in block.blocks) == block.size


def test_small_files_are_one_block_with_the_others_of_their_folder_and_small_packages_with_each_other() -> None:
    many = [file(f"srv/pages/{number}.html", NOISE[:100]) for number in range(500)]
    tiny = [package(f"tiny{number}", folder("etc"), file(f"etc/{number}", b"x")) for number in range(9)]
    large = package("large", folder("srv"), folder("srv/pages"), file("srv/large", NOISE), *many)
    (layer, *_) = blocks_of(gather(image_of([[large, *tiny]]), "web:1"))
    assert [(block.label, block.size) for block in layer.blocks] == [("large", 110_000), ("9 packages", 9)]
    assert [(block.label, block.title) for block in layer.blocks[0].blocks] == [
        ("large", "/srv/large"), ("pages/", "/srv/pages/: 500 smaller files"),
    ]  # fmt: skip


def test_files_that_a_higher_layer_replaces_are_not_counted() -> None:
    lower = Tree.of([file("a", NOISE), file("b", NOISE)])
    upper = Tree.of([file("a", NOISE[:10])])
    image = make_image(ImageConfig("amd64"), [layer_from_tree(tree, created_by="COPY") for tree in (lower, upper)])
    first, second = blocks_of(gather(image, "x:1"))
    assert (first.label, first.size, second.label, second.size) == ("layer 1", 60_000, "layer 2", 10)


def test_an_image_without_a_package_database_has_its_files() -> None:
    (layer,) = blocks_of(bare_facts())
    assert [block.title for block in walk((layer,))] == [
        "COPY . /srv", "files that no package owns, 1 file", "/srv/index.html",
    ]  # fmt: skip


def test_folders_within_folders_without_end_are_no_matter() -> None:
    tree = Tree.of([file("/".join(["d"] * 1500) + "/x", NOISE)])
    image = make_image(ImageConfig("amd64"), [layer_from_tree(tree, created_by="COPY")])
    (layer,) = blocks_of(gather(image, "x:1"))
    assert layer.size == len(NOISE)


def test_an_empty_image_has_none() -> None:
    image = make_image(ImageConfig("amd64"), [layer_from_tree(Tree.of([folder("tmp")]), created_by="mkdir")])
    assert blocks_of(gather(image, "x:1")) == ()
