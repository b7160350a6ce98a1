"""Who a person is for a registry: what ``docker login`` and ``podman login`` wrote, and the helpers that they name.

The formats are docker's (docker/cli, cli/config/configfile/file.go; docker/docker-credential-helpers) and podman's
(containers/image, docs/containers-auth.json.5.md).
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bivy.oci.registry.name import DOCKER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bivy.oci.registry.name import Name

# What docker calls Docker Hub where it keeps credentials.
_DOCKER_KEY = "https://index.docker.io/v1/"
_DOCKER_KEYS = frozenset({DOCKER, "index.docker.io", "registry-1.docker.io"})
# The user under whose name helpers keep an identity token (docker/cli, cli/config/credentials/native_store.go).
_TOKEN_USER = "<token>"  # noqa: S105 - not a secret
_HELPER = re.compile(r"[A-Za-z0-9._-]+")
_NONE_THERE = "credentials not found"
_PATIENCE = 60


@dataclass(frozen=True, slots=True)
class Credential:
    """What proves who a person is; it is never part of a message.

    Attributes:
        source: Where it comes from, for messages: a file or a helper's name.
        user: The user's name.
        password: The password, or an access token in its place.
        identity_token: What a token server takes for a password (OAuth 2's refresh token).
        registry_token: What the registry itself takes.
    """

    source: str
    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a registry.

    Attributes:
        credential: The credential; `None` where there is none.
        faults: What could not be read on the way.
    """

    credential: Credential | None
    faults: tuple[str, ...] = ()


class _Entry(msgspec.Struct):
    auth: str | None = None
    username: str | None = None
    password: str | None = None
    identitytoken: str | None = None
    registrytoken: str | None = None


class _File(msgspec.Struct, rename="camel"):
    auths: dict[str, _Entry | None] | None = None
    cred_helpers: dict[str, str] | None = None
    creds_store: str | None = None


class _Answer(msgspec.Struct, rename="pascal"):
    username: str
    secret: str


class _UnusableError(Exception):
    """A file or a helper that gives nothing, and why."""


def find_credential(name: Name, environ: Mapping[str, str] = os.environ) -> Found:
    """Look for the credential that is meant for a registry, in the order of `credential_files`.

    Args:
        name: The image; podman keeps credentials for parts of a registry too.
        environ: The environment.
    """
    faults: list[str] = []
    for path in credential_files(environ):
        for look in (_from_helper, _from_file):
            try:
                content = _read(path)
                credential = look(content, name, path, environ) if content else None
            except _UnusableError as fault:
                if str(fault) not in faults:
                    faults.append(str(fault))
                continue
            if credential:
                return Found(credential, tuple(faults))
    return Found(None, tuple(faults))


def credential_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files that may have credentials, the one that counts first.

    ``REGISTRY_AUTH_FILE`` is the only one where it is set; then come docker's, in ``DOCKER_CONFIG`` or ``~/.docker``,
    and podman's.
    """
    if told := environ.get("REGISTRY_AUTH_FILE"):
        yield Path(told)
        return
    home = Path(environ.get("HOME") or Path.home())
    yield Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers" / "auth.json"
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "containers" / "auth.json"


def _read(path: Path) -> _File | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as fault:
        raise _UnusableError(f"{path}: {fault.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # What msgspec says may quote the file.
        raise _UnusableError(f"{path} is not a file of credentials") from None


def _from_helper(content: _File, name: Name, path: Path, environ: Mapping[str, str]) -> Credential | None:
    helpers = content.cred_helpers or {}
    for key in (name.host, *(_DOCKER_KEY, *sorted(_DOCKER_KEYS)) * (name.host == DOCKER)):
        if helpers.get(key):
            return _ask_helper(helpers[key], key, path, environ)
    if content.creds_store:
        return _ask_helper(
            content.creds_store, _DOCKER_KEY if name.host == DOCKER else name.host, path, environ
        )  # fmt: skip
    return None


def _ask_helper(helper: str, key: str, path: Path, environ: Mapping[str, str]) -> Credential | None:
    program = f"docker-credential-{helper}"
    if not _HELPER.fullmatch(helper):
        raise _UnusableError(f"{path} names a helper {helper!r}, which cannot be one")
    try:
        done = subprocess.run(
            [program, "get"], input=key.encode(), capture_output=True, timeout=_PATIENCE, env=dict(environ), check=False
        )
    except OSError as fault:
        raise _UnusableError(f"{program}, which {path} names, cannot be started: {fault.strerror}") from None
    except subprocess.TimeoutExpired:
        raise _UnusableError(f"{program}, which {path} names, gave no answer in {_PATIENCE} seconds") from None
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip()  # the protocol has faults there
        if said.lower().startswith(_NONE_THERE):
            return None
        raise _UnusableError(
            f"{program}, which {path} names, failed: {' '.join(said.split())[:200] or done.returncode}"
        )
    try:
        answer = msgspec.json.decode(done.stdout, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _UnusableError(f"{program}, which {path} names, gives no credential") from None
    if answer.username == _TOKEN_USER:
        return Credential(program, identity_token=answer.secret)
    return Credential(program, answer.username, answer.secret) if answer.secret else None


def _from_file(content: _File, name: Name, path: Path, environ: Mapping[str, str]) -> Credential | None:  # noqa: ARG001
    """Return the credential in the file itself; of several, the one for the smallest part of the registry."""
    auths = {_place(key): entry for key, entry in reversed((content.auths or {}).items()) if entry}
    parts = name.repository.split("/")
    hosts = sorted(_DOCKER_KEYS) if name.host == DOCKER else [name.host]
    places = [
        "/".join([host, *parts[:count]]) for count in range(len(parts), -1, -1) for host in hosts
    ]  # fmt: skip
    return next((found for place in places if place in auths and (found := _credential(auths[place], path))), None)


def _place(key: str) -> str:
    """Return the registry, or the part of it, that a key stands for: docker once wrote ``https://HOST/v1/``."""
    plain = re.sub(r"^https?://", "", key)
    place = plain if plain == key else plain.partition("/")[0]
    return re.sub(r"/(v1|v2)?/?$", "", place)


def _credential(entry: _Entry, path: Path) -> Credential | None:
    user, password = entry.username or "", entry.password or ""
    if entry.auth:
        try:
            decoded = base64.b64decode(entry.auth, validate=True).decode()
        except (binascii.Error, ValueError):
            raise _UnusableError(f"{path}: a credential in it is not written as docker writes it") from None
        user, _, password = decoded.partition(":")
        password = password.rstrip("\0")
    if not (password or entry.identitytoken or entry.registrytoken):
        return None
    return Credential(str(path), user, password, entry.identitytoken or "", entry.registrytoken or "")
