"""How a container of an image starts, and what the image is for (image-spec 1.1, config.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from bivy.errors import BivyError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class History:
    """How one layer came to be.

    Attributes:
        created_by: What made it.
        created: When, as RFC 3339 has it.
        empty_layer: Whether it changed no file, and so has no layer.
    """

    created_by: str = ""
    created: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """An image's config.

    Attributes:
        architecture: OCI's name of it.
        variant: OCI's variant of it, empty where there is none.
        os: The operating system.
        created: When the image was made, as RFC 3339 has it.
        env: The environment, as ``NAME=value``.
        entrypoint: What is always run.
        cmd: What is run, or given to the entrypoint, unless the person says something else.
        working_dir: Where it starts.
        user: Who it runs as: ``user``, ``uid``, ``user:group`` or ``uid:gid``; root where it is empty.
        labels: Labels by name.
        exposed_ports: Ports, such as ``8000/tcp``.
        volumes: Folders that are volumes.
        stop_signal: The signal that asks it to stop.
        diff_ids: The digests of the layers before compression, from the lowest.
        history: How the layers came to be.
    """

    architecture: str
    variant: str = ""
    os: str = "linux"
    created: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    diff_ids: tuple[str, ...] = ()
    history: tuple[History, ...] = ()

    @property
    def platform(self) -> str:
        """The platform, as in ``docker --platform``: ``linux/arm/v7``."""
        return f"{self.os}/{self.architecture}" + (f"/{self.variant}" if self.variant else "")

    @property
    def variables(self) -> dict[str, str]:
        """The environment by name; what has no value is none."""
        return dict(pair.split("=", 1) for pair in self.env if "=" in pair)

    @property
    def created_by(self) -> tuple[str, ...]:
        """What made each layer, from the lowest; empty where the history does not say."""
        told = [step.created_by for step in self.history if not step.empty_layer][: len(self.diff_ids)]
        return (*told, *[""] * (len(self.diff_ids) - len(told)))


class _Run(msgspec.Struct, rename="pascal"):
    """The part of the document that says how to run; most keys may also be null."""

    env: list[str] | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    working_dir: str | None = None
    user: str | None = None
    labels: dict[str, str] | None = None
    exposed_ports: dict[str, dict[str, str]] | None = None
    volumes: dict[str, dict[str, str]] | None = None
    stop_signal: str | None = None


class _Root(msgspec.Struct):
    type: str
    diff_ids: list[str]


class _History(msgspec.Struct):
    created_by: str = ""
    created: str = ""
    empty_layer: bool = False


class _Document(msgspec.Struct):
    """The document, as far as bivy reads it."""

    architecture: str
    os: str
    rootfs: _Root
    variant: str = ""
    created: str | None = None
    config: _Run | None = None
    history: list[_History] | None = None


def format_config(config: ImageConfig) -> bytes:
    """Write a config as the one JSON text that there is for it: keys sorted, no blanks, nothing that is empty."""
    run = {
        "Env": list(config.env),
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.cmd),
        "WorkingDir": config.working_dir,
        "User": config.user,
        "Labels": dict(config.labels),
        "ExposedPorts": {port: {} for port in config.exposed_ports},
        "Volumes": {volume: {} for volume in config.volumes},
        "StopSignal": config.stop_signal,
    }
    history = [
        _without_empty({"created": step.created, "created_by": step.created_by, "empty_layer": step.empty_layer})
        for step in config.history
    ]
    document = _without_empty({
        "architecture": config.architecture, "variant": config.variant, "os": config.os, "created": config.created,
        "config": _without_empty(run), "history": history,
    })  # fmt: skip
    document["rootfs"] = {"type": "layers", "diff_ids": list(config.diff_ids)}
    return canonical(document)


def parse_config(content: bytes) -> ImageConfig:
    """Read a config.

    Raises:
        BivyError: It is not one.
    """
    try:
        document = msgspec.json.decode(content, type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        raise BivyError(f"the image's config is not one: {fault}") from None
    run = document.config or _Run()
    return ImageConfig(
        architecture=document.architecture,
        variant=document.variant,
        os=document.os,
        created=document.created or "",
        env=tuple(run.env or ()),
        entrypoint=tuple(run.entrypoint or ()),
        cmd=tuple(run.cmd or ()),
        working_dir=run.working_dir or "",
        user=run.user or "",
        labels=run.labels or {},
        exposed_ports=tuple(run.exposed_ports or ()),
        volumes=tuple(run.volumes or ()),
        stop_signal=run.stop_signal or "",
        diff_ids=tuple(document.rootfs.diff_ids),
        history=tuple(History(h.created_by, h.created, h.empty_layer) for h in document.history or ()),
    )


def canonical(document: object) -> bytes:
    """Write JSON so that equal documents are equal bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _without_empty(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value}
