"""What an image in a registry is called: ``HOST[:PORT]/NAME[:TAG][@DIGEST]``, with docker's defaults."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace

from bivy.errors import UsageError

DOCKER = "docker.io"
# Docker Hub's registry answers under another name than the one that people write.
_DOCKER_API = "registry-1.docker.io"
_DOCKER_NAMES = frozenset({DOCKER, "index.docker.io", _DOCKER_API})
_LONGEST = 255

# distribution's reference grammar (reference/reference.go's comment) and distribution-spec 1.1, "Pulling manifests".
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+|/)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Name:
    """An image in a registry.

    Attributes:
        host: The registry: ``docker.io``, ``localhost:5000``.
        repository: The image's name there: ``library/python``.
        tag: The tag; empty where only a digest says which image it is.
        digest: The manifest's or index's digest; empty where the tag says it.
    """

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        """Spell it in full."""
        tag, digest = f":{self.tag}" if self.tag else "", f"@{self.digest}" if self.digest else ""
        return f"{self.host}/{self.repository}{tag}{digest}"

    @property
    def reference(self) -> str:
        """What the registry is asked for: the digest where there is one, else the tag."""
        return self.digest or self.tag

    @property
    def api(self) -> str:
        """The host that is asked."""
        return _DOCKER_API if self.host == DOCKER else self.host

    @property
    def is_local(self) -> bool:
        """Whether the registry runs on this machine; then plain http will do, as docker has it."""
        host = self.host.rpartition(":")[0] if re.search(r":[0-9]+$", self.host) else self.host
        if host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(host.strip("[]")).is_loopback
        except ValueError:
            return False

    def at(self, digest: str) -> Name:
        """Return the name of what has a digest in the same repository."""
        return replace(self, tag="", digest=digest)


def names_a_host(text: str) -> bool:
    """Tell whether what a person typed begins with a registry's host, as docker tells it."""
    host, slash, _ = text.partition("/")
    return bool(slash and _HOST.fullmatch(host)) and ("." in host or ":" in host or host == "localhost")


def parse_name(text: str) -> Name:
    """Parse a name; without a host it is Docker Hub's, without tag and digest the tag is ``latest``.

    Args:
        text: The name, with ``docker://`` before it or not.

    Raises:
        UsageError: It is none; the message says which part of it is wrong.
    """
    rest = text.removeprefix("docker://")
    host, rest = rest.split("/", 1) if names_a_host(rest) else (DOCKER, rest)
    rest, at, digest = rest.partition("@")
    repository, colon, tag = rest.partition(":")
    if host in _DOCKER_NAMES:
        host = DOCKER
        repository = repository if "/" in repository else f"library/{repository}"
    found = _HOST.fullmatch(host)
    if not found or int(found["port"] or 1) not in range(1, 65536):
        raise _wrong(
            text, f"{host!r} is not a host", "a registry is named as in registry.example.org or localhost:5000"
        )
    if not _REPOSITORY.fullmatch(repository) or len(host) + 1 + len(repository) > _LONGEST:
        shown = repository.removeprefix("library/") if host == DOCKER else repository
        hint = "it has lower-case letters, digits, and single . _ - / between them"
        near = shown.lower()
        raise _wrong(
            text, f"{shown!r} is not a name", f"is {near} meant? {hint}" if _REPOSITORY.fullmatch(near) else hint
        )
    if colon and not _TAG.fullmatch(tag):
        raise _wrong(text, f"{tag!r} is not a tag", "a tag has up to 128 letters, digits, and _ . - after the first")
    if at and not _DIGEST.fullmatch(digest):
        raise _wrong(text, f"{digest!r} is not a digest", "a digest is sha256: and 64 hexadecimal digits")
    return Name(host, repository, tag if tag or digest else "latest", digest)


def _wrong(text: str, why: str, hint: str) -> UsageError:
    return UsageError(f"{text!r} does not name an image in a registry: {why}", hint=hint)
