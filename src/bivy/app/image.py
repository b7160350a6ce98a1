"""Layers become a project's image: how it starts, as whom, where, and what it says of itself."""

from __future__ import annotations

import datetime as dt
import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bivy.apk.entry import Entry, Kind
from bivy.app.layers import Item
from bivy.app.system import INIT, USER
from bivy.app.values import HOME, UNPRIVILEGED, ProjectKind, labels_of
from bivy.errors import UsageError
from bivy.oci.image import Image, add_layer, with_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from bivy.app.base import Base
    from bivy.app.values import Project
    from bivy.oci.layer import Layer

_BASE: Final = "org.opencontainers.image.base."


def assemble(project: Project, on: Image, reference: str, layers: Sequence[Layer], epoch: int) -> Image:
    """Lay layers on a base, and say how the image starts.

    Args:
        project: The project.
        on: The base.
        reference: What the base is called.
        layers: The layers, from the lowest.
        epoch: When it is made, in seconds since 1970.
    """
    created = dt.datetime.fromtimestamp(epoch, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    image = replace(on, config=replace(on.config, created=created))
    for layer in layers:
        image = add_layer(image, layer)
    options = project.options
    labels = labels_of(project)
    config = replace(
        image.config,
        env=_environment(project, on.config.env),
        entrypoint=(INIT, *project.start),
        cmd=tuple(options.command),
        working_dir=options.workdir or HOME,
        user=options.user or UNPRIVILEGED,
        labels={**on.config.labels, **labels},
        exposed_ports=tuple(sorted({*on.config.exposed_ports, *project.ports})),
        volumes=tuple(sorted({*on.config.volumes, *options.volumes})),
        stop_signal=on.config.stop_signal or "SIGTERM",
    )
    annotations = {
        "org.opencontainers.image.created": created,
        **{name: text for name, text in labels.items() if name.startswith("org.opencontainers.image.")},
        f"{_BASE}name": reference,
        f"{_BASE}digest": on.digest,
    }
    return with_config(image, config, annotations)


def _environment(project: Project, base: Iterable[str]) -> tuple[str, ...]:
    variables = dict(each.partition("=")[::2] for each in base)
    variables["PYTHONUNBUFFERED"] = "1"
    if project.kind is not ProjectKind.PACKAGE:
        places = [HOME if each == "." else f"{HOME}/{each}" for each in project.imports]
        variables["PYTHONPATH"] = ":".join(places)
    variables |= project.options.environment
    return tuple(f"{name}={value}" for name, value in variables.items())


def folders_of(project: Project, base: Base) -> list[Item]:
    """Return the folders that have to be there: the one that the program starts in, and volumes, which are its user's.

    Raises:
        UsageError: One is no absolute path, or the user is not known.
    """
    options = project.options
    uid, gid = user_of(options.user or UNPRIVILEGED, base)
    folders = {}
    for path in (options.workdir or HOME, *options.volumes):
        if not path.startswith("/") or not {"..", "."}.isdisjoint(path.split("/")):
            raise UsageError(f"{path!r} is no folder of an image's", hint="it is an absolute path, such as /data")
        place = posixpath.normpath(path).strip("/")
        own = path in options.volumes
        if place and (own or place not in base.folders):
            folders[place] = Entry(place, Kind.DIRECTORY, 0o755, uid if own else 0, gid if own else 0)
    return [Item(entry) for entry in folders.values()]


def user_of(text: str, base: Base) -> tuple[int, int]:
    """Return the numbers of a user and its group, ``UID``, ``UID:GID`` or a name that the base knows.

    Raises:
        UsageError: The base does not know it.
    """
    user, _, group = text.partition(":")
    unprivileged, _, unprivileged_group = UNPRIVILEGED.partition(":")
    lines = [*(line.split(":") for line in base.passwd.splitlines()), [USER, "x", unprivileged, unprivileged_group]]
    known = next((each for each in lines if len(each) > 3 and user in (each[0], each[2])), None)
    if known is None and not user.isdecimal():
        names = ", ".join(each[0] for each in lines)
        raise UsageError(f"the base has no user {user!r}", hint=f"it has {names}; a number need not be known")
    uid = int(known[2]) if known else int(user)
    groups = [line.split(":") for line in base.group.splitlines()]
    if group and not group.isdecimal():
        found = next((each for each in groups if each[0] == group), None)
        if found is None:
            raise UsageError(f"the base has no group {group!r}", hint="a number need not be known")
        group = found[2]
    return uid, int(group or (known[3] if known else 0))


def check_start(project: Project, base: Base, environment: Sequence[str], paths: AbstractSet[str]) -> None:
    """Refuse an entrypoint that will not be there when a container starts.

    Args:
        project: The project.
        base: The base.
        environment: The image's variables, as ``NAME=value``.
        paths: What the layers on top of the base have, without a leading ``/``.

    Raises:
        UsageError: There is no such program, file or module.
    """
    program = project.start[0]
    path = dict(each.partition("=")[::2] for each in environment).get("PATH", "")
    places = [program] if "/" in program else [f"{folder}/{program}" for folder in path.split(":")]
    workdir = project.options.workdir or HOME
    there = [place for place in places if _is_there(posixpath.join(workdir, place).lstrip("/"), base, paths)]
    if not there:
        known = {each.rpartition("/")[2] for each in paths if each.startswith(f"{base.prefix}/bin/")}
        raise UsageError(
            f"the image would have no program {program!r}, which it is to be started with",
            hint=_nearest(program.rpartition("/")[2], known)
            or "it is neither in the base nor in what the project depends on: add what brings it, "
            "or name another with --entrypoint, --script or --module",
        )
    if re.fullmatch(r"python[\d.]*", program.rpartition("/")[2]) and project.start[1:2] == ("-m",):
        _check_module(project, base, paths)


def _check_module(project: Project, base: Base, paths: AbstractSet[str]) -> None:
    module = project.start[2] if len(project.start) > 2 else ""
    roots = [base.site_packages, f"{base.prefix}/lib/python{base.python}", HOME[1:]]
    roots += [f"{HOME[1:]}/{each}" for each in project.imports]
    file = module.replace(".", "/")
    for root in roots:
        for end in (f"{root}/{file}.py", f"{root}/{file}/__main__.py"):
            if end in paths or end in base.files:
                return
    tops = {
        path.removeprefix(f"{root}/").partition("/")[0].removesuffix(".py")
        for root in roots for path in paths if path.startswith(f"{root}/")
    }  # fmt: skip
    raise UsageError(
        f"the image would have no module {module!r} that can be started with python -m",
        hint=_nearest(module, {top for top in tops if top.isidentifier()}) or "is what brings it a dependency?",
    )


def _is_there(path: str, base: Base, paths: AbstractSet[str]) -> bool:
    path = posixpath.normpath(path)
    for _ in range(40):
        if path in paths:
            return True
        if path in base.files:
            target = base.files[path]
            if not target:
                return True
            path = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), target)).lstrip("/")
            continue
        # A folder on the way may be a link, as /bin is to /usr/bin in some bases.
        for folder in _above(path):
            if base.files.get(folder):
                target = posixpath.join("/", posixpath.dirname(folder), base.files[folder])
                path = posixpath.normpath(target + path.removeprefix(folder)).lstrip("/")
                break
        else:
            return False
    return False


def _above(path: str) -> Iterable[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _nearest(word: str, known: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(word, sorted(known), n=1)
    return f"is {near[0]!r} meant?" if near else ""
