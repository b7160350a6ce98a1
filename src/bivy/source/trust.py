"""Which certificate authorities are trusted: the machine's, and those that the user's environment names."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from bivy.errors import BivyError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Where distributions keep their bundle, for a Python whose OpenSSL was built for another one (as Go's crypto/x509).
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def trust(environ: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Return the settings for https that trust what this machine trusts.

    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` replace the system's authorities, as in OpenSSL; ``REQUESTS_CA_BUNDLE``
    and ``CURL_CA_BUNDLE`` add to them.

    Raises:
        BivyError: One of these variables names no file or folder of certificates.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    told = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(name)]
    if not told:
        _load_system(context)
    for name in [*told, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]:
        value = environ.get(name, "")
        for path in filter(None, value.split(os.pathsep) if name == "SSL_CERT_DIR" else [value]):
            _load(context, name, Path(path))
    return context


def _load_system(context: ssl.SSLContext) -> None:
    context.load_default_certs()
    paths = ssl.get_default_verify_paths()
    if paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())):
        return
    for bundle in _BUNDLES:
        if Path(bundle).is_file():
            context.load_verify_locations(bundle)
            return
    import certifi

    context.load_verify_locations(certifi.where())


def _load(context: ssl.SSLContext, name: str, path: Path) -> None:
    try:
        if path.is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except OSError as fault:  # ssl.SSLError among them: a file without certificates
        raise BivyError(
            f"{name} names {path}, which holds no certificates: {fault.strerror or fault}",
            hint=f"set {name} to a file of certificates in PEM form, or unset it",
        ) from fault
