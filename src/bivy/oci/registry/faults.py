"""What went wrong with a registry, for the person: what failed, where, and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from bivy.errors import BivyError
from bivy.oci.registry.challenge import parse_challenges

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bivy.oci.registry.name import Name

_LONGEST = 300
_NO_ROOM = re.compile(r"no space left|disk quota|quota exceeded|insufficient storage|ENOSPC", re.IGNORECASE)
_NETWORK_HINT = (
    "is the registry's name right, and is there a network? A proxy goes into HTTPS_PROXY, what is reached without one "
    "into NO_PROXY"
)
_TLS_HINT = "the certificate authority of a company or of one's own goes into SSL_CERT_FILE or REQUESTS_CA_BUNDLE"


class RegistryError(BivyError):
    """A registry said no, or could not be reached.

    Attributes:
        status: The HTTP status with which it said so; 0 where there was no answer.
    """

    def __init__(self, message: str, *, hint: str | None = None, status: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class PassingError(Exception):
    """Something failed in a way that may pass.

    Attributes:
        fault: What is told where it does not pass.
        wait: Seconds to wait before it is tried again, as the registry has it.
    """

    def __init__(self, fault: RegistryError, wait: float = 0) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Answer:
    """What a registry answers.

    Attributes:
        status: The HTTP status.
        headers: By name, in lower case.
        challenges: What it wants to know of who asks, as the headers have it.
        body: The content.
        url: The address that it is the answer of.
    """

    status: int
    headers: Mapping[str, str]
    challenges: tuple[str, ...]
    body: bytes
    url: str

    @property
    def digest(self) -> str:
        """The digest that it says its content has; empty where it does not say."""
        return self.headers.get("docker-content-digest", "")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, for messages.

    Attributes:
        name: The image.
        what: What was to be done: ``push a layer to ghcr.io/me/app``.
        user: Who asked: ``user me (~/.docker/config.json)``; empty for nobody in particular.
        faults: Why there may be no credential.
    """

    name: Name
    what: str
    user: str = ""
    faults: tuple[str, ...] = ()


class _Reason(msgspec.Struct):
    code: str = ""
    message: str | None = None
    detail: object = None


class _Reasons(msgspec.Struct):
    errors: list[_Reason] | None = None


def refusal(answer: Answer, asked: Asked) -> RegistryError:
    """Return, as a fault for the person, an answer that is a refusal (distribution-spec 1.1, "Error Codes")."""
    codes, told = _reasons(answer)
    status = answer.status
    challenges = parse_challenges(answer.challenges)
    if asked.user and any(each.parameters.get("error") == "insufficient_scope" for each in challenges):
        status = HTTPStatus.FORBIDDEN  # it knows who asks, and that this is not theirs to do (RFC 6750, section 3.1)
    message, hint = _explain(status, codes, told, asked)
    return RegistryError(message, hint=hint, status=answer.status)


def out_of_room(answer: Answer) -> bool:
    """Tell whether a registry says that it has no room left, which no second attempt helps against."""
    return answer.status == HTTPStatus.INSUFFICIENT_STORAGE or (
        answer.status >= 500 and _NO_ROOM.search(answer.body[:10_000].decode("utf-8", "replace")) is not None
    )


def _explain(status: int, codes: set[str], told: str, asked: Asked) -> tuple[str, str | None]:
    name, host = asked.name, asked.name.host
    because = f": {told}" if told else ""
    login = f"docker login {host}, or podman login {host}, and try again"
    if asked.faults:
        login = f"{'; '.join(asked.faults)}. Put that right, or: {login}"
    if status == HTTPStatus.UNAUTHORIZED:
        if asked.user:
            return f"{host} does not accept {asked.user}, to {asked.what}{because}", login
        return f"{host} wants to know who asks, to {asked.what}{because}", login
    if status == HTTPStatus.FORBIDDEN or "DENIED" in codes:
        who = asked.user or "who does not say who it is"
        return f"{host} does not let {who} {asked.what}{because}", (
            f"is {name.repository} the right name, and may this user do that there? {login}"
        )
    if status == HTTPStatus.NOT_FOUND:
        return f"{host} cannot {asked.what}: there is none{because}", (
            "is the name right? Some registries also say this of what one may not see, and some want a repository to "
            f"be made before it is pushed to. {login}"
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return f"{host} takes no more requests for now, to {asked.what}{because}", (
            f"wait a while; who is known may ask more often: {login}"
        )
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return f"{host}, or a proxy before it, takes nothing this large, to {asked.what}{because}", (
            "who runs it can raise the limit (client_max_body_size in nginx)"
        )
    if status == HTTPStatus.INSUFFICIENT_STORAGE or _NO_ROOM.search(told):
        return f"{host} has no room left, to {asked.what}{because}", (
            "who runs it has to make room; what was sent already is kept, and is not sent again"
        )
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return f"the proxy wants to know who asks, to {asked.what}", "HTTPS_PROXY takes http://USER:PASSWORD@HOST:PORT"
    if status == HTTPStatus.METHOD_NOT_ALLOWED or "UNSUPPORTED" in codes:
        return (
            f"{host} does not do that: {asked.what}{because}",
            "a mirror, or a registry that is only read, takes no images",
        )
    if status >= 500:
        return f"{host} failed ({_spell(status)}) to {asked.what}{because}", "try again later, or ask who runs it"
    return f"{host} refuses ({_spell(status)}) to {asked.what}{because}", None


def unreachable(asked: Asked, why: str) -> RegistryError:
    """Return the fault of a registry that could not be reached, or did not answer to the end."""
    hint = _NETWORK_HINT
    if "CERTIFICATE_VERIFY" in why:
        hint = _TLS_HINT
    elif "WRONG_VERSION_NUMBER" in why or "record layer failure" in why:
        hint = f"{asked.name.host} does not speak https there; plain http is for registries on this machine alone"
    elif why.startswith("the proxy refused"):
        hint = "HTTPS_PROXY names the proxy; what is reached without it goes into NO_PROXY"
    return RegistryError(f"{asked.name.host} was not reached, to {asked.what}: {why}", hint=hint)


def _reasons(answer: Answer) -> tuple[set[str], str]:
    """Return the codes and the words with which a registry explains itself."""
    try:
        reasons = msgspec.json.decode(answer.body, type=_Reasons).errors or []
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return set(), ""
    words = []
    for reason in reasons[:3]:
        detail = reason.detail if isinstance(reason.detail, str) else ""
        if isinstance(reason.detail, dict):
            detail = next((value for value in _texts(reason.detail) if _NO_ROOM.search(value)), "")
        message = reason.message or reason.code
        words.append(message + (f" ({detail})" if detail and detail != message else ""))
    told = " ".join("".join(letter if letter.isprintable() else " " for letter in "; ".join(words)).split())
    return {reason.code for reason in reasons}, told[:_LONGEST]


def _texts(value: object, depth: int = 0) -> list[str]:
    if isinstance(value, dict) and depth < 5:
        return [text for each in value.values() for text in _texts(each, depth + 1)]
    return [value] if isinstance(value, str) else [str(value)]


def _spell(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
