"""The certificate authorities that this machine trusts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bivy.errors import BivyError

if TYPE_CHECKING:
    from collections.abc import Mapping

TARGET = "/etc/ssl/certs/ca-certificates.crt"
"""Where an Alpine image has them (its /etc/ssl/cert.pem leads there)."""

PLACES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Alpine, Arch, Debian, Gentoo, Ubuntu
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",
)


def host_certificates(host: Mapping[str, str] = os.environ, places: tuple[str, ...] = PLACES) -> Path:
    """Return the file of the authorities that this machine trusts: ``SSL_CERT_FILE``'s, else the usual one.

    Raises:
        BivyError: There is none.
    """
    told = host.get("SSL_CERT_FILE")
    for place in (told,) if told else places:
        if Path(place).is_file():
            return Path(place).resolve()
    if told:
        raise BivyError(f"SSL_CERT_FILE is {told}, which is no file", hint="set it to a file of certificates in PEM")
    raise BivyError(
        "no certificates found on this machine, looked for " + ", ".join(places),
        hint="install ca-certificates, or set SSL_CERT_FILE to a file of certificates in PEM",
    )
