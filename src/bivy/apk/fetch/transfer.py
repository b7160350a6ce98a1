"""The bytes of an address: http, https, ``file:`` or a path; whole, or why not, and never waiting for ever."""

from __future__ import annotations

import os
import stat
import time

from bivy.apk.fetch.http import Connection, UnavailableError, Url, basic_credentials
from bivy.apk.fetch.repository import local_path, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Mapping
    from typing import Self

    from bivy.apk.fetch.http import Answer, Progress

PATIENCE = 15.0
LARGEST = 1 << 30
_PAUSES = (0.2, 0.6)
_REDIRECTS = 5
_REDIRECTED = frozenset((301, 302, 303, 307, 308))
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))
_MISSING = frozenset((404, 410))
_SMALL = 1 << 16
_AGENT = "bivy-apk"
# Where distributions keep their bundle, for a Python whose OpenSSL was built for another one (as Go's crypto/x509).
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)


def read_file(path: str, bound: int = LARGEST) -> bytes:
    """Read a file.

    Args:
        path: Where it is.
        bound: The most bytes to take.

    Raises:
        UnavailableError: It cannot be read, or is larger.
    """
    try:
        # Not blocked by a named pipe that somebody left there.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UnavailableError("is not a file")
            if status.st_size > bound:
                raise UnavailableError(f"has {status.st_size} bytes, more than the {bound} that are taken")
            return file.read(bound)
    except (OSError, ValueError) as fault:
        why = (fault.strerror if isinstance(fault, OSError) else None) or str(fault)
        raise UnavailableError(why, missing=isinstance(fault, FileNotFoundError | NotADirectoryError)) from None


def trust(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return the settings for https that trust what this machine trusts.

    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` replace the system's authorities, as in OpenSSL.

    Raises:
        UnavailableError: One of these names no file or folder of certificates.
    """
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    told = [(name, environ[name]) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(name)]
    for name, value in told:
        for path in filter(None, value.split(os.pathsep) if name == "SSL_CERT_DIR" else [value]):
            try:
                context.load_verify_locations(**{"capath" if os.path.isdir(path) else "cafile": path})
            except OSError as fault:  # ssl.SSLError among them: a file without certificates
                why = f"{name} names {path}, which holds no certificates: {fault.strerror or fault}"
                raise UnavailableError(why, hint=f"set {name} to a file in PEM form, or unset it") from None
    if told:
        return context
    context.load_default_certs()
    paths = ssl.get_default_verify_paths()
    if not paths.cafile and not (paths.capath and os.listdir(paths.capath)):
        bundle = next(filter(os.path.isfile, _BUNDLES), None)
        if bundle:
            context.load_verify_locations(bundle)
    return context


def _anybody() -> ssl.SSLContext:
    """Return the settings for https that take any server for the right one."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def proxy_for(url: Url, environ: Mapping[str, str]) -> Url | None:
    """Return the proxy that the environment names for a URL: ``http_proxy``, ``https_proxy``, ``no_proxy``.

    The names in capitals count where those in small letters are not there. ``no_proxy`` lists hosts, with or without a
    port, each standing for what is below it too; ``*`` is all.

    Raises:
        UnavailableError: What it names is no http proxy.
    """

    def told(name: str) -> str:
        return environ.get(name) or environ.get(name.upper()) or ""

    value = told(f"{url.scheme}_proxy") or told("all_proxy")
    if not value:
        return None
    host = "." + url.host.lower()
    for item in told("no_proxy").lower().replace(",", " ").split():
        name = item.removeprefix("*").removesuffix(f":{url.port}").strip("[]")
        if item == "*" or (name and host.endswith("." + name.removeprefix("."))):
            return None
    try:
        proxy = Url(value if "://" in value else f"http://{value}")
    except UnavailableError:
        proxy = None
    if proxy is None or proxy.scheme != "http":
        shown = printable(value if "://" in value else f"http://{value}")
        hint = f"{url.scheme}_proxy takes an address such as http://proxy.example:3128"
        raise UnavailableError(f"the environment's proxy {shown} is none that can be used", hint=hint)
    return proxy


def _connect(url: Url, patience: float) -> socket.socket:
    """Connect to a host, trying its addresses one after the other until the time is over."""
    import socket

    try:
        # As bytes: a host given as text goes through a codec that takes long to import.
        found = socket.getaddrinfo(url.host.encode(), url.port, type=socket.SOCK_STREAM)
    except socket.gaierror as fault:
        unknown = fault.errno == socket.EAI_NONAME
        why = f"the name {url.host} is not known" if unknown else f"the name {url.host} cannot be looked up"
        raise UnavailableError(why, passing=not unknown, hint="is there a network?") from None
    until = time.monotonic() + patience
    last = OSError("has no address")
    for number, (family, kind, protocol, _, address) in enumerate(found):
        connected = socket.socket(family, kind, protocol)
        try:
            connected.settimeout(max((until - time.monotonic()) / (len(found) - number), 0.2))
            connected.connect(address)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as fault:
            connected.close()
            last = fault
        else:
            return connected
    if isinstance(last, TimeoutError):
        raise UnavailableError(f"no connection within {patience:g} seconds")
    raise last


class Transfer:
    """Fetches addresses, one connection to a host open from one to the next; usable from several threads.

    Attributes:
        patience: Seconds after which a host is given up that does not answer, or of which less than 4 KiB come.
        pauses: Seconds to wait before each new attempt after a passing fault.
        check_servers: Whether https servers have to prove who they are.
        fresh: Whether caches on the way are told to ask again themselves.
    """

    __slots__ = ("_context", "_environ", "_idle", "check_servers", "fresh", "patience", "pauses")

    def __init__(
        self,
        *,
        patience: float = PATIENCE,
        pauses: tuple[float, ...] = _PAUSES,
        environ: Mapping[str, str] = os.environ,
        check_servers: bool = True,
        fresh: bool = False,
    ) -> None:
        self.patience = patience
        self.check_servers = check_servers
        self.fresh = fresh
        self.pauses = pauses
        self._environ = environ
        self._context: ssl.SSLContext | None = None
        self._idle: dict[tuple[object, ...], list[Connection]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are open."""
        while self._idle:
            for connection in self._idle.popitem()[1]:
                connection.close()

    def get(self, address: str, bound: int = LARGEST, progress: Progress | None = None) -> bytes:
        """Return the bytes of an address.

        Args:
            address: A URL or a path.
            bound: The most bytes to take.
            progress: Is told how many bytes there are, and how many there will be where that is known.

        Raises:
            UnavailableError: It does not give them; the message does not name the address.
        """
        path = local_path(address)
        if path is not None:
            return read_file(path, bound)
        for pause in self.pauses:
            try:
                return self._follow(address, bound, progress)
            except UnavailableError as fault:
                if not fault.passing:
                    raise
            time.sleep(pause)
        return self._follow(address, bound, progress)

    def _follow(self, address: str, bound: int, progress: Progress | None) -> bytes:
        """Ask once, and follow redirections."""
        url = Url(address)
        for _ in range(_REDIRECTS + 1):
            answer, body = self._once(url, bound, progress)
            if answer.status == 200:
                return body
            if answer.status not in _REDIRECTED or "location" not in answer.headers:
                raise UnavailableError(
                    f"{answer.status} {answer.reason}".rstrip(),
                    passing=answer.status in _PASSING,
                    missing=answer.status in _MISSING,
                )
            url = _redirected(url, answer.headers["location"])
        raise UnavailableError(f"redirects more than {_REDIRECTS} times")

    def _once(self, url: Url, bound: int, progress: Progress | None) -> tuple[Answer, bytes]:
        """Ask one URL; a body comes with status 200 only."""
        connection: Connection | None = None
        try:
            proxy = proxy_for(url, self._environ)
            key = (url.scheme, url.host, url.port, proxy and proxy.address)
            connection, answer = self._ask(key, url, proxy)
            wanted = answer.status == 200
            small = answer.length is not None and answer.length <= _SMALL
            # A refusal's page is read where it is small, since the connection can be used again then.
            body = connection.read_body(answer, bound, progress) if wanted or (answer.kept and small) else b""
            if answer.kept and (wanted or small):
                self._idle.setdefault(key, []).append(connection)
                connection = None
        except OSError as fault:
            raise _explained(fault) from None
        finally:
            if connection:
                connection.close()
        return answer, body

    def _ask(self, key: tuple[object, ...], url: Url, proxy: Url | None) -> tuple[Connection, Answer]:
        """Send a request and read its answer's head, over a connection that is open or over a new one."""
        lines = _request(url, proxy)
        if self.fresh:
            lines.append("Cache-Control: no-cache")
        try:
            connection = self._idle[key].pop()
        except (KeyError, IndexError):
            pass
        else:
            try:
                connection.send(lines)
                answer = connection.read_head()
                if answer:
                    return connection, answer
            except ConnectionError:
                pass
            except BaseException:
                connection.close()
                raise
            # The other side has closed it meanwhile, as it may.
            connection.close()
        connection = self._open(url, proxy)
        try:
            connection.send(lines)
            answer = connection.read_head()
        except BaseException:
            connection.close()
            raise
        if answer:
            return connection, answer
        connection.close()
        raise UnavailableError("closes the connection without an answer", passing=True)

    def _open(self, url: Url, proxy: Url | None) -> Connection:
        connected = _connect(proxy or url, self.patience)
        try:
            if url.scheme == "https":
                if proxy:
                    _tunnel(Connection(connected, self.patience), url, proxy)
                if not self._context:
                    self._context = trust(self._environ) if self.check_servers else _anybody()
                connected.settimeout(self.patience)
                connected = self._context.wrap_socket(connected, server_hostname=url.host.encode())
        except BaseException:
            connected.close()
            raise
        return Connection(connected, self.patience)


def _request(url: Url, proxy: Url | None) -> list[str]:
    """Return the lines of a request's head."""
    plain = proxy if url.scheme == "http" else None
    lines = [
        f"GET {url.address if plain else url.target} HTTP/1.1",
        f"Host: {url.authority}",
        f"User-Agent: {_AGENT}",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: keep-alive",
    ]
    if url.user:
        lines.append(f"Authorization: {basic_credentials(url.user)}")
    if plain and plain.user:
        lines.append(f"Proxy-Authorization: {basic_credentials(plain.user)}")
    return lines


def _tunnel(connection: Connection, url: Url, proxy: Url) -> None:
    """Have a proxy connect to a host (RFC 9110, section 9.3.6)."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    lines = [f"CONNECT {host}:{url.port} HTTP/1.1", f"Host: {host}:{url.port}", f"User-Agent: {_AGENT}"]
    if proxy.user:
        lines.append(f"Proxy-Authorization: {basic_credentials(proxy.user)}")
    connection.send(lines)
    answer = connection.read_head()
    if not answer or answer.status // 100 != 2:
        said = f"{answer.status} {answer.reason}".rstrip() if answer else "the connection was closed"
        raise UnavailableError(f"the proxy {proxy.authority} refuses: {said}")


def _redirected(url: Url, location: str) -> Url:
    """Return where a redirection leads; name and password go along on the same host only."""
    from urllib.parse import urljoin

    target = Url(urljoin(url.address, location))
    if (target.scheme, target.host, target.port) == (url.scheme, url.host, url.port) and not target.user:
        target.user = url.user
    return target


def _explained(fault: OSError) -> UnavailableError:
    """Return a connection's fault in a person's words."""
    if isinstance(fault, ConnectionRefusedError):
        return UnavailableError("the connection is refused")
    if isinstance(fault, ConnectionError):
        return UnavailableError("the connection broke off", passing=True)
    reason = getattr(fault, "verify_message", "")
    if reason:
        return UnavailableError(
            f"its certificate is not trusted: {reason}",
            hint="the authorities are those of the package ca-certificates, or in the file that SSL_CERT_FILE names",
        )
    if isinstance(fault, TimeoutError):
        return UnavailableError("the connection is not made in time")
    reason = getattr(fault, "reason", "")
    if reason:
        return UnavailableError(f"no connection by TLS: {str(reason).replace('_', ' ').lower()}")
    return UnavailableError(fault.strerror or str(fault) or type(fault).__name__)
