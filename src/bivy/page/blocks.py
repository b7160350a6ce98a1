"""Where the bytes of an image are: layers, in them packages, in these the large files, as blocks within blocks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bivy.page.markdown import clip
from bivy.page.parts import layer_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bivy.oci.inspect import FileReport
    from bivy.page.facts import Facts

# What is smaller than this part of the image is one block with its like.
_SMALLEST: Final = 0.0035
_LONGEST: Final = 120
# Nothing that a person looks for is deeper; what is deeper counts as one file's name.
_DEEPEST: Final = 40


@dataclass(frozen=True, slots=True)
class Block:
    """Some bytes.

    Attributes:
        label: What stands on it: a layer, a package, the name of a file.
        title: All of it: ``/usr/lib/libcrypto.so.3``.
        size: Its bytes, as a container has them.
        blocks: What it consists of, largest first; nothing where that is not shown.
    """

    label: str
    title: str
    size: int
    blocks: tuple[Block, ...] = ()


@dataclass(slots=True)
class _Folder:
    """A folder of one package's, while its files are added up."""

    files: dict[str, int] = field(default_factory=dict)
    folders: dict[str, _Folder] = field(default_factory=dict)


def blocks_of(facts: Facts) -> tuple[Block, ...]:
    """Return the layers of an image, from the lowest, as blocks; layers that a container sees nothing of are left out.

    What is small is put together with its like, so that there are some hundred blocks, whatever the image.
    """
    smallest = max(1, round(facts.unpacked * _SMALLEST))
    layers: dict[int, list[FileReport]] = defaultdict(list)
    for file in facts.files:
        layers[file.layer].append(file)
    found = [
        _layer(facts.layers[number].created_by, number + 1, files, smallest) for number, files in sorted(layers.items())
    ]
    return tuple(block for block in found if block.size)


def _layer(created_by: str, number: int, files: Sequence[FileReport], smallest: int) -> Block:
    label, title = clip(layer_name(created_by, number), _LONGEST), clip(created_by, _LONGEST) or f"layer {number}"
    return Block(label, title, sum(file.size for file in files), tuple(_packages(files, smallest)))


def _packages(files: Iterable[FileReport], smallest: int) -> Iterator[Block]:
    owned: dict[str, list[FileReport]] = defaultdict(list)
    for file in files:
        owned[file.package].append(file)
    blocks = _sorted(
        Block(
            name or "no package's",
            _title(name, theirs),
            sum(file.size for file in theirs),
            tuple(_files(theirs, smallest)),
        )
        for name, theirs in owned.items()
    )
    yield from _with_rest(blocks, smallest, "packages")


def _title(name: str, files: Sequence[FileReport]) -> str:
    return f"{name or 'files that no package owns'}, {_spell_count(len(files), 'files')}"


def _files(files: Iterable[FileReport], smallest: int) -> Iterator[Block]:
    root = _Folder()
    for file in files:
        *folders, name = file.path.split("/", _DEEPEST)
        here = root
        for folder in folders:
            here = here.folders.setdefault(folder, _Folder())
        here.files[name] = file.size
    blocks, rest = _expanded(root, "", smallest)
    if rest.size:
        blocks.append(Block(f"{rest.count:,} smaller", f"{_spell_count(rest.count, 'smaller files')}", rest.size))
    yield from _sorted(blocks)


@dataclass(frozen=True, slots=True)
class _Rest:
    """Files that are too small for a block, so far."""

    size: int
    count: int


def _expanded(folder: _Folder, path: str, smallest: int) -> tuple[list[Block], _Rest]:
    """Return the blocks of what is in a folder, and what is too small for one."""
    blocks = []
    size = count = 0
    for name, bytes_ in folder.files.items():
        if bytes_ >= smallest:
            blocks.append(Block(clip(name, _LONGEST), clip(f"{path}/{name}", _LONGEST), bytes_))
        else:
            size, count = size + bytes_, count + 1
    for name, inner in folder.folders.items():
        more, rest = _expanded(inner, f"{path}/{name}", smallest)
        blocks += more
        size, count = size + rest.size, count + rest.count
    if size >= smallest and path:
        where = clip(f"{path}/", _LONGEST)
        label = f"{clip(path.rpartition('/')[2], _LONGEST)}/"
        return [*blocks, Block(label, f"{where}: {_spell_count(count, 'smaller files')}", size)], _Rest(0, 0)
    return blocks, _Rest(size, count)


def _with_rest(blocks: Sequence[Block], smallest: int, what: str) -> Iterator[Block]:
    """Yield blocks, the small ones as one where there are several."""
    large = [block for block in blocks if block.size >= smallest]
    small = [block for block in blocks if block.size < smallest]
    size = sum(block.size for block in small)
    if len(small) > 1 and size:
        names = clip(", ".join(block.label for block in small), _LONGEST)
        large = _sorted([*large, Block(f"{len(small)} {what}", f"{len(small)} small {what}: {names}", size)])
        small = []
    yield from (block for block in (*large, *small) if block.size)


def _sorted(blocks: Iterable[Block]) -> list[Block]:
    return sorted(blocks, key=lambda block: (-block.size, block.title))


def _spell_count(number: int, what: str) -> str:
    return f"{number:,} {what if number != 1 else what.removesuffix('s')}"
