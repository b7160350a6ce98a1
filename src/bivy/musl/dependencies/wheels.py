"""What is in the wheels that would be installed: their binaries, read without downloading the wheels whole."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bivy.errors import BivyError
from bivy.musl.archives.remote import open_remote_wheel
from bivy.musl.archives.wheel import Wheel, open_wheel
from bivy.musl.binaries import check_binaries
from bivy.musl.dependencies.settings import with_credentials
from bivy.musl.report import Distribution, Part, Problem
from bivy.source.download import open_client

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import httpx

    from bivy.musl.target import Target

_AT_ONCE: Final = 8
_PATIENCE: Final = 20.0


def check_wheels(distributions: Iterable[Distribution], *, index: str = "", offline: bool = False) -> Part:
    """Check the binaries in the wheels that installers would take, each wheel once.

    Args:
        distributions: The verdicts; those that take no wheel are passed over.
        index: The index that was named, whose name and password its files take.
        offline: Whether nothing may be fetched.
    """
    wheels: dict[str, list[Target]] = {}
    for one in distributions:
        if one.file.endswith(".whl") and one.address:
            wheels.setdefault(one.address, []).append(one.target)
    if not wheels:
        return Part()
    client = open_client(connect=_PATIENCE, read=_PATIENCE)

    def read(address: str) -> Part:
        return _check(address, wheels[address], client, (index,) if index else (), offline=offline)

    with client, ThreadPoolExecutor(_AT_ONCE) as pool:
        return sum(pool.map(read, wheels), Part())


def _check(
    address: str, targets: Sequence[Target], client: httpx.Client, options: Sequence[str], *, offline: bool
) -> Part:
    name = address.rpartition("/")[2]
    try:
        with _opened(address, client, options, offline=offline) as wheel:
            tags = [str(tag) for tag in wheel.file_name.tags]
            part = check_binaries(wheel.binaries(), targets=targets, where=name, tags=tags)
            return part + Part(problems=wheel.problems)
    except BivyError as fault:
        return Part(problems=(Problem(name, str(fault), fault.hint or ""),))


@contextlib.contextmanager
def _opened(address: str, client: httpx.Client, options: Sequence[str], *, offline: bool) -> Iterator[Wheel]:
    if "://" not in address:
        with open_wheel(Path(address)) as wheel:
            yield wheel
        return
    if offline and not address.startswith("file:"):
        raise BivyError("it was not read: nothing may be fetched", hint="ask again without --offline")
    with open_remote_wheel(client, with_credentials(address, options), patience=_PATIENCE) as wheel:
        yield wheel
