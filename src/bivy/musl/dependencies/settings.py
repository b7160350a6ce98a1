"""Which indexes a person's settings name: uv's own, and pip's where uv has none."""

from __future__ import annotations

import configparser
import os
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_OF_UV: Final = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")
INDEX_SETTINGS: Final = frozenset({"index", "index-url", "extra-index-url"})
"""The settings of uv that name indexes."""


def index_options(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the options that make uv ask the index that pip would ask, where the person has not told uv of any.

    uv reads its own variables and files itself; of pip's settings it knows nothing. Of these, `PIP_INDEX_URL` and
    `index-url` in pip's configuration files are honoured.
    """
    if any(environ.get(name) for name in _OF_UV) or any(map(_names_an_index, _uv_files(environ))):
        return ()
    address = environ.get("PIP_INDEX_URL") or _from_pip_files(environ)
    return ("--default-index", address) if address else ()


def _uv_files(environ: Mapping[str, str]) -> Iterator[Path]:
    if told := environ.get("UV_CONFIG_FILE"):
        yield Path(told)
        return
    yield _configuration(environ) / "uv" / "uv.toml"
    for folder in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":"):
        yield Path(folder) / "uv" / "uv.toml"
    yield Path("/etc/uv/uv.toml")


def read_settings(path: Path) -> dict[str, Any]:
    """Return what a `uv.toml` says; nothing where it is not there or is none."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}


def uv_settings(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the settings in the file that ``UV_CONFIG_FILE`` names.

    uv itself would then overlook those of the project that bivy makes up for it.
    """
    told = environ.get("UV_CONFIG_FILE")
    return read_settings(Path(told)) if told else {}


def _names_an_index(path: Path) -> bool:
    return not INDEX_SETTINGS.isdisjoint(read_settings(path))


def _from_pip_files(environ: Mapping[str, str]) -> str:
    """Return `index-url` from the last of pip's configuration files that has it, as pip reads them."""
    address = ""
    for path in _pip_files(environ):
        reader = configparser.RawConfigParser()
        try:
            reader.read_string(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue
        for section in ("global", "install"):
            address = reader.get(section, "index-url", fallback=address)
    return address.strip()


def _pip_files(environ: Mapping[str, str]) -> Iterator[Path]:
    told = environ.get("PIP_CONFIG_FILE", "")
    if told == os.devnull:
        return
    for folder in reversed(environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")):
        yield Path(folder) / "pip" / "pip.conf"
    yield Path("/etc/pip.conf")
    yield Path(environ.get("HOME", "~")).expanduser() / ".pip" / "pip.conf"
    yield _configuration(environ) / "pip" / "pip.conf"
    if environment := environ.get("VIRTUAL_ENV"):
        yield Path(environment) / "pip.conf"
    if told:
        yield Path(told)


def _configuration(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".config")


def with_credentials(address: str, options: Sequence[str], environ: Mapping[str, str] = os.environ) -> str:
    """Return an index's address with the name and password that the settings give for it.

    A lock does not hold them. They are looked for in the addresses among `options` and in uv's and pip's variables.
    """
    place = urlsplit(address)
    told = [*options, *(word for name in (*_OF_UV, "PIP_INDEX_URL") for word in environ.get(name, "").split())]
    for each in told:
        known = urlsplit(each.split("=", 1)[-1] if "=" in each.split("://", 1)[0] else each)
        same = (known.scheme, known.hostname, known.port) == (place.scheme, place.hostname, place.port)
        if same and known.username and f"{place.path}/".startswith(f"{known.path.rstrip('/')}/"):
            return urlunsplit(place._replace(netloc=known.netloc))
    return address


def without_credentials(address: str) -> str:
    """Return an address as it may be shown: without name and password."""
    place = urlsplit(address)
    return urlunsplit(place._replace(netloc=place.netloc.rpartition("@")[2])) if "@" in place.netloc else address


def default_index(options: Sequence[str], environ: Mapping[str, str] = os.environ) -> str:
    """Return the address of the index that is asked for what no other has; empty for PyPI."""
    told = [*options, *index_options(environ)]
    for option, address in pairwise(told):
        if option == "--default-index":
            return address
    return environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL") or ""
