"""A conversation with one registry about one repository: who asks, and what is asked again."""

from __future__ import annotations

import base64
import contextlib
import os
import threading
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import msgspec

from bivy.oci.registry.challenge import parse_challenges
from bivy.oci.registry.credentials import find_credential
from bivy.oci.registry.faults import Answer, Asked, PassingError, RegistryError, out_of_room, refusal, unreachable
from bivy.source.download import open_client, unavailable
from bivy.source.fetch import Patience
from bivy.threads import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import TypeVar

    import httpx

    from bivy.oci.registry.challenge import Challenge
    from bivy.oci.registry.credentials import Credential, Found
    from bivy.oci.registry.name import Name

    _T = TypeVar("_T")

PATIENCE = Patience(read=120, pauses=(1, 2, 4, 8))
# A registry that asks for more than this is not waited for: the person is told.
_LONGEST_WAIT = 60.0
# Documents have at most 4 MiB (distribution-spec 1.1), lists of tags and of referrers less.
_MOST_BYTES = 8 << 20
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
# How long a token is good for where its server does not say (distribution's token specification).
_TOKEN_SECONDS = 60
_BEFORE_IT_ENDS = 10
_CLIENT = "bivy"


class _TokenAnswer(msgspec.Struct):
    token: str = ""
    access_token: str = ""
    expires_in: float | None = None


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    until: float


class Session:
    """A conversation with a registry.

    Its methods may be called from several threads. The first request finds out how the registry is spoken to and what
    it wants to know of who asks; a credential is looked for only when it does want to know.

    Attributes:
        name: The image that it is about.
        stop: Ends all waiting where it is set.
        patience: How long is waited, and how often something is tried again.
    """

    def __init__(
        self,
        name: Name,
        *,
        pushes: bool = False,
        patience: Patience = PATIENCE,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Prepare a conversation; nothing is asked yet.

        Args:
            name: The image.
            pushes: Whether something is to be written.
            patience: How long to wait.
            environ: The environment, for credentials.

        Raises:
            BivyError: The environment names a proxy or authorities that are none.
        """
        self.name = name
        self.patience = patience
        self.stop = threading.Event()
        self._environ = environ
        self._scope = f"repository:{name.repository}:{'pull,push' if pushes else 'pull'}"
        self._client: httpx.Client = open_client(connect=patience.connect, read=patience.read)
        self._lock = threading.RLock()
        self._base = ""
        self._challenges: tuple[Challenge, ...] = ()
        self._found: Found | None = None
        self._tokens: dict[tuple[str, ...], _Token] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop.set()
        self._client.close()

    def ask(
        self,
        method: str,
        path: str,
        what: str,
        *,
        accept: Iterable[int] = (200,),
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        scopes: tuple[str, ...] = (),
    ) -> Answer:
        """Ask, and ask again after a pause where that may help.

        Args:
            method: ``GET`` and the like.
            path: The path below ``/v2/NAME/``, or a whole address.
            what: What is to be done, for messages: ``push a layer``.
            accept: The statuses that are answers; all others are refusals.
            headers: Further headers.
            content: What is sent.
            scopes: What else than the repository itself has to be allowed.

        Raises:
            RegistryError: It was refused, or not answered.
        """
        return self.patiently(
            lambda: self.once(
                method, path, what, accept=accept, headers=headers, content=content or None, size=len(content),
                scopes=scopes,
            )
        )  # fmt: skip

    def patiently(self, work: Callable[[], _T]) -> _T:
        """Do some work, and again after each of the pauses for as long as it fails in a way that may pass.

        Raises:
            RegistryError: It did not succeed.
        """
        for pause in self.patience.pauses:
            try:
                return work()
            except PassingError as fault:
                self.wait(max(pause, fault.wait))
        try:
            return work()
        except PassingError as fault:
            raise fault.fault from None

    def wait(self, seconds: float) -> None:
        """Wait, unless all is ended meanwhile."""
        if self.stop.wait(seconds):
            raise StoppedError

    def once(
        self,
        method: str,
        path: str,
        what: str,
        *,
        accept: Iterable[int],
        headers: Mapping[str, str] | None = None,
        content: bytes | Callable[[], Iterator[bytes]] | None = None,
        size: int = 0,
        scopes: tuple[str, ...] = (),
    ) -> Answer:
        """Ask once; the arguments are those of `ask`.

        Raises:
            PassingError: It failed in a way that may pass.
            RegistryError: It was refused.
        """
        accepted = frozenset(accept)
        with self._opened(method, path, what, headers or {}, content, size, scopes) as response:
            answer = self._read(response, what)
        if answer.status in accepted:
            return answer
        raise self._refused(answer, what)

    @contextlib.contextmanager
    def stream(self, path: str, what: str, *, offset: int) -> Iterator[httpx.Response]:
        """Ask for a blob's bytes from an offset on; the answer's status is 200, 206 or 416.

        Raises:
            PassingError: It failed in a way that may pass; also while the block takes the bytes.
            RegistryError: It was refused.
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with self._opened("GET", path, what, headers, None, 0, ()) as response:
            if response.status_code not in (200, 206, 416):
                raise self._refused(self._read(response, what), what)
            yield response

    def address(self, path: str) -> str:
        """Return the address of a path below ``/v2/NAME/``."""
        return path if "://" in path else f"{self._connect()}/v2/{self.name.repository}/{path}"

    @contextlib.contextmanager
    def _opened(
        self,
        method: str,
        path: str,
        what: str,
        headers: Mapping[str, str],
        content: bytes | Callable[[], Iterator[bytes]] | None,
        size: int,
        scopes: tuple[str, ...],
    ) -> Iterator[httpx.Response]:
        url = self.address(path)
        ours = _origin(url) == _origin(self._connect())
        asked_again = False
        while True:
            # What is at another host has to go without: a credential is for the registry alone.
            known = self._authorization(scopes) if ours else {}
            sent = {**headers, **known}
            if content is not None or method in ("POST", "PUT", "PATCH"):
                sent["Content-Length"] = str(size)
            with self._reaching(what), contextlib.ExitStack() as stack:
                response = stack.enter_context(
                    self._send(method, url, sent, content() if callable(content) else content)
                )
                if response.status_code != 401 or asked_again or not ours or not self._learn(response, known, scopes):
                    yield response
                    return
            asked_again = True

    @contextlib.contextmanager
    def _send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | Iterator[bytes] | None
    ) -> Iterator[httpx.Response]:
        if self.stop.is_set():
            raise StoppedError
        request = self._client.build_request(method, url, headers=dict(headers), content=content)
        response = self._client.send(request, stream=True, follow_redirects=method in ("GET", "HEAD"))
        try:
            yield response
        finally:
            response.close()

    @contextlib.contextmanager
    def _reaching(self, what: str) -> Iterator[None]:
        """Turn what httpx raises into a fault that is told."""
        import httpx

        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as fault:
            told = unavailable(fault)
            reached = unreachable(self._asked(what), str(told))
            raise (reached if told.lasting else PassingError(reached)) from None

    def _read(self, response: httpx.Response, what: str) -> Answer:
        body = bytearray()
        with self._reaching(what):
            for piece in response.iter_bytes():
                body += piece
                if len(body) > _MOST_BYTES:
                    raise RegistryError(f"{self.name.host} answers with more than any document has, to {what}")
        headers = {name.lower(): value for name, value in response.headers.items()}
        challenges = tuple(response.headers.get_list("www-authenticate"))
        return Answer(response.status_code, headers, challenges, bytes(body), str(response.url))

    def _refused(self, answer: Answer, what: str) -> RegistryError | PassingError:
        fault = refusal(answer, self._asked(what))
        if answer.status not in _TRANSIENT or out_of_room(answer):
            return fault
        wait = _retry_after(answer.headers.get("retry-after", ""))
        if wait > _LONGEST_WAIT:
            message = f"{fault}; it asks to wait for {wait:.0f} seconds"
            return RegistryError(message, hint=fault.hint, status=fault.status)
        return PassingError(fault, wait)

    def _asked(self, what: str) -> Asked:
        found = self._found or None
        credential = found.credential if found else None
        user = ""
        if credential:
            user = f"{credential.user or 'the token'} (known from {credential.source})"
        return Asked(self.name, what, user, found.faults if found else ())

    def _connect(self) -> str:
        """Return the registry's address, having found out how it is spoken to."""
        with self._lock:
            if not self._base:
                self._base = self.patiently(self._ping)
            return self._base

    def _ping(self) -> str:
        """Ask whether a registry is there (distribution-spec 1.1, "Determining Support")."""
        what = f"ask whether {self.name.api} is a registry"
        schemes = ("http", "https") if self.name.is_local else ("https",)
        for scheme in schemes:
            base = f"{scheme}://{self.name.api}"
            try:
                with self._reaching(what), self._send("GET", f"{base}/v2/", {}, None) as response:
                    answer = self._read(response, what)
            except PassingError:
                if scheme == schemes[-1] or not self._speaks_tls():
                    raise
                continue
            if answer.status == 400 and scheme != schemes[-1]:
                continue  # what servers in Go say to plain http where they expect TLS
            return self._pinged(base, answer, what)
        raise AssertionError

    def _speaks_tls(self) -> bool:
        """Tell whether something that did not answer to http as it should listens at all."""
        import socket

        place = urlsplit(f"//{self.name.api}")
        try:
            socket.create_connection((place.hostname or "", place.port or 443), timeout=2).close()
        except OSError:
            return False
        return True

    def _pinged(self, base: str, answer: Answer, what: str) -> str:
        if answer.status == 404:
            raise RegistryError(
                f"{self.name.host} is not a registry: {base}/v2/ is not there",
                hint="is the host's name right, and its port?",
                status=404,
            )
        if answer.status in _TRANSIENT:
            fault = self._refused(answer, what)
            raise fault
        # It may have moved, to another port or to https.
        moved = answer.url.removesuffix("/").removesuffix("/v2")
        if answer.status == 401:
            self._challenges = parse_challenges(answer.challenges)
        return moved if _origin(moved)[0] == "https" and _origin(moved)[1] == _origin(base)[1] else base

    def _learn(self, response: httpx.Response, sent: Mapping[str, str], scopes: tuple[str, ...]) -> bool:
        """Take in what a refusal says about who may ask; tell whether asking again may help."""
        with self._lock:
            challenges = parse_challenges(response.headers.get_list("www-authenticate"))
            if challenges:
                self._challenges = challenges
            token = self._tokens.get(scopes)
            if token and sent.get("Authorization") == f"Bearer {token.value}":
                del self._tokens[scopes]  # it ended, or was not for this
            if not sent:
                return bool(self._authorization(scopes))
            return self._challenge("bearer") is not None

    def _challenge(self, scheme: str) -> Challenge | None:
        return next((challenge for challenge in self._challenges if challenge.scheme == scheme), None)

    def _credential(self) -> Credential | None:
        if self._found is None:
            self._found = find_credential(self.name, self._environ)
        return self._found.credential

    def _authorization(self, scopes: tuple[str, ...]) -> dict[str, str]:
        """Return the header that says who asks."""
        with self._lock:
            bearer = self._challenge("bearer")
            if bearer and bearer.parameters.get("realm"):
                return {"Authorization": f"Bearer {self._token(bearer, scopes)}"}
            if self._challenge("basic"):
                credential = self._credential()
                if credential and credential.password:
                    return {"Authorization": _basic(credential)}
            return {}

    def _token(self, challenge: Challenge, scopes: tuple[str, ...]) -> str:
        token = self._tokens.get(scopes)
        if token is None or token.until < time.monotonic():
            credential = self._credential()
            if credential and _is_header(credential.registry_token):
                return credential.registry_token
            token = self.patiently(lambda: self._fetch_token(challenge, scopes, credential))
            self._tokens[scopes] = token
        return token.value

    def _fetch_token(self, challenge: Challenge, scopes: tuple[str, ...], credential: Credential | None) -> _Token:
        """Ask the token server that the registry names (distribution's docs/spec/auth: token.md, oauth.md)."""
        what = "get a token"
        realm = challenge.parameters["realm"]
        if _origin(realm)[0] not in {"https", _origin(self._base)[0]}:
            raise RegistryError(
                f"{self.name.host} names a token server that is not asked, since it is not https: {realm}"
            )
        wanted = {"service": challenge.parameters.get("service", ""), "client_id": _CLIENT}
        asked_for = [self._scope, *scopes]
        headers, form = {}, b""
        if credential and credential.identity_token:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            form = _encode({
                **wanted, "grant_type": "refresh_token", "refresh_token": credential.identity_token,
                "scope": " ".join(asked_for),
            }).encode()  # fmt: skip
            method, url = "POST", realm
        else:
            if credential and credential.password:
                headers["Authorization"] = _basic(credential)
                wanted["account"] = credential.user
            pairs = _encode({name: value for name, value in wanted.items() if value}, asked_for)
            method, url = "GET", f"{realm}{'&' if '?' in realm else '?'}{pairs}"
        if form:
            headers["Content-Length"] = str(len(form))
        with self._reaching(what), self._send(method, url, headers, form or None) as response:
            answer = self._read(response, what)
        if answer.status != 200:
            raise self._refused(answer, what)
        return self._parse_token(answer)

    def _parse_token(self, answer: Answer) -> _Token:
        try:
            parsed = msgspec.json.decode(answer.body, type=_TokenAnswer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            parsed = _TokenAnswer()
        value = parsed.token or parsed.access_token
        if not _is_header(value):
            raise RegistryError(f"the token server of {self.name.host} gives no token")
        lasts = max(parsed.expires_in or _TOKEN_SECONDS, _BEFORE_IT_ENDS + 1)
        return _Token(value, time.monotonic() + lasts - _BEFORE_IT_ENDS)


def _is_header(token: str) -> bool:
    """Tell whether a token can be sent: what cannot would be shown in the fault."""
    return bool(token) and token.isascii() and token.isprintable()


def _basic(credential: Credential) -> str:
    return "Basic " + base64.b64encode(f"{credential.user}:{credential.password}".encode()).decode()


def _encode(pairs: Mapping[str, str], scopes: Iterable[str] = ()) -> str:
    from urllib.parse import urlencode

    return urlencode([*pairs.items(), *(("scope", scope) for scope in scopes)])


def _origin(url: str) -> tuple[str, str, int | None]:
    """Return what has to be the same for two addresses to be one server's; of what is no address, nothing."""
    try:
        place = urlsplit(url)
        port = place.port
    except ValueError:
        return "", "", None
    return place.scheme, (place.hostname or "").lower(), port or {"http": 80, "https": 443}.get(place.scheme)


def _retry_after(text: str) -> float:
    """Return how many seconds a header asks to wait: it has their number, or a date (RFC 9110, section 10.2.3)."""
    if text.isdecimal() and text.isascii():
        return float(text[:10])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
