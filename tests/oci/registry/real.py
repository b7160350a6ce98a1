"""Debian's docker-registry on the loopback interface, with the authentication that a test wants."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bivy.oci.registry.name import Name

PROGRAM = "docker-registry"
PASSWORD = "s3cret-pass"
# bcrypt of the password, as htpasswd -B makes it: the registry takes nothing else.
HTPASSWD = "me:$2b$04$FQL7Nn2pTVrYbD4JBvs3euEgwOF9lkko/cp1t4dWmQwoqA2YcUsvK\n"


@dataclass
class Registry:
    """A registry that can be started, killed and started again."""

    folder: Path
    port: int
    config: dict[str, Any]
    before: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    def name(self, repository: str = "me/app", tag: str = "1", host: str = "127.0.0.1") -> Name:
        return Name(f"{host}:{self.port}", repository, tag)

    def start(self) -> None:
        if not self.try_to_start():
            pytest.fail(f"docker-registry did not start: {(self.folder / 'log').read_text()}")

    def try_to_start(self) -> bool:
        path = self.folder / "config.json"  # JSON is YAML
        path.write_text(json.dumps(self.config))
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [*self.before, PROGRAM, "serve", path], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            # It takes its settings from such variables too, and podman's REGISTRY_AUTH_FILE for one of them.
            env={name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")},
        )  # fmt: skip
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return self.process.poll() is None
            time.sleep(0.02)
        return False

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextlib.contextmanager
def real_registry(
    folder: Path, *, auth: dict[str, Any] | None = None, before: list[str] | None = None
) -> Iterator[Registry]:
    """Run a registry whose data are in a folder, for as long as the block lasts."""
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    port = free_port()
    config: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        # With a secret of its own, it knows an upload again after it was killed.
        "http": {"addr": f"127.0.0.1:{port}", "secret": "for tests"},
    }
    if auth:
        config["auth"] = auth
    registry = Registry(folder, port, config, before or [])
    for attempts_left in (2, 1, 0):
        if registry.try_to_start():
            break
        if not attempts_left:
            pytest.fail(f"docker-registry did not start: {(folder / 'log').read_text()}")
        registry.port = free_port()  # somebody else took the other one meanwhile
        config["http"]["addr"] = f"127.0.0.1:{registry.port}"
    try:
        yield registry
    finally:
        registry.kill()


def docker_config(folder: Path, host: str, user: str = "me", password: str = PASSWORD, **more: str) -> Path:
    """Write what ``docker login`` writes; return the folder, for ``DOCKER_CONFIG``."""
    folder.mkdir(parents=True, exist_ok=True)
    entry = {"auth": base64.b64encode(f"{user}:{password}".encode()).decode(), **more}
    (folder / "config.json").write_text(json.dumps({"auths": {host: entry}}))
    return folder


@dataclass
class TokenServer:
    """What signs tokens that a registry takes, RS256 with its own certificate."""

    certificate: Path
    sign: Callable[[dict[str, Any]], str]

    def token(self, scopes: list[str], allowed: set[str], seconds: int = 60) -> str:
        """Make a token for as much of some scopes as is allowed."""
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            granted = [action for action in actions.split(",") if action in allowed]
            access.append({"type": kind, "name": name, "actions": granted})
        now = int(time.time())
        return self.sign(
            {
                "iss": "test issuer", "sub": "me", "aud": "test service", "exp": now + seconds, "nbf": now - 5,
                "iat": now - 5, "jti": os.urandom(8).hex(), "access": access,
            }
        )  # fmt: skip


def token_server(folder: Path) -> TokenServer:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test issuer")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "tokens.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    chain = [base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()]

    def sign(claims: dict[str, Any]) -> str:
        parts = [{"typ": "JWT", "alg": "RS256", "x5c": chain}, claims]
        signed = b".".join(_base64(json.dumps(part).encode()) for part in parts)
        signature = key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _base64(signature)).decode()

    return TokenServer(path, sign)


def _base64(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
