"""The TLS files of a sink: whether they can be used, and when their certificates end.

Only of files here: this client's own certificate and the authority it trusts. When the
receiver's ends, connecting fails, and that shows as any failure of the sink does.
"""

from __future__ import annotations

import math
import os
import re
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, Field, FilePath

from alerts.sink import Problem
from config.settings import Section

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_EXPLICIT_VERSION = 0xA0
_UTC_TIME = 0x17


class TlsOptions(Section):
    """Encryption; an empty section uses the system's certificate authorities."""

    ca: FilePath | None = Field(default=None, description="PEM of the authority to trust")
    certificate: FilePath | None = Field(default=None, description="PEM of this client")
    key: FilePath | None = Field(default=None, description="PEM of this client's private key")
    insecure: bool = Field(default=False, description="true: do not check the receiver's name")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of the authorities trusted and of this client."""

    ca: Path | None
    certificate: Path | None


def client_context(
    ca: Path | None, certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """TLS with these PEM files; without `ca`, with the system's authorities.

    Raises OSError (ssl.SSLError is one) or ValueError where a file does not serve.
    """
    context = ssl.create_default_context(cafile=ca)
    if certificate:
        context.load_cert_chain(certificate, key, password=_no_pass_phrase)
    return context


def _no_pass_phrase() -> str:
    # Without this, OpenSSL asks for it on the terminal and waits.
    raise ValueError("the key has a pass phrase; remove it with openssl pkey -in KEY -out NEW")


def tls_problems(
    ca: Path | None, certificate: Path | None, key: Path | None, now_s: float
) -> list[Problem]:
    """What is wrong with the PEM files of a section `tls`; `now_s` is Unix time."""
    found = {
        name: "may not be read by this user; check its owner and mode"
        for name, path in (("ca", ca), ("certificate", certificate), ("key", key))
        if path and not os.access(path, os.R_OK)
    }
    if ca and "ca" not in found:
        found |= _faults("ca", TlsFiles(ca, None), None, now_s)
    if certificate and not {"certificate", "key"} & found.keys():
        found |= _faults("certificate", TlsFiles(None, certificate), key, now_s)
    return [Problem(("tls", name), text) for name, text in found.items()]


def _faults(name: str, files: TlsFiles, key: Path | None, now_s: float) -> dict[str, str]:
    """What is wrong with the option `name`, by option."""
    try:
        client_context(files.ca, files.certificate, key)
    except ValueError as error:
        return {"key": str(error)}
    except OSError as error:
        reason = str(getattr(error, "reason", None) or "").replace("_", " ").lower() or "not PEM"
        return {name: f"cannot be used ({reason}); {_REMEDY[name]}"}
    end_s = first_end_s(files)
    if end_s < now_s:
        return {name: f"has expired on {datetime.fromtimestamp(end_s, UTC):%Y-%m-%d}; renew it"}
    return {}


_REMEDY = {
    "ca": "give the PEM of the authority that signed the receiver's certificate",
    "certificate": "give this client's certificate and, as key, the private key it was made with",
}


def tls_files(options: BaseModel) -> TlsFiles | None:
    """The files named in the section `tls` of a sink's options; None where there are none."""
    tls = getattr(options, "tls", None)
    files = TlsFiles(getattr(tls, "ca", None), getattr(tls, "certificate", None))
    return files if files.ca or files.certificate else None


def first_end_s(files: TlsFiles) -> float:
    """Unix time from which the files serve no more; NaN where they cannot be read.

    A client's chain ends with its first certificate, a file of authorities with its last: while
    authorities change, the old and the new lie side by side.
    """
    try:
        ends = [max(_ends(files.ca))] if files.ca else []
        ends += [min(_ends(files.certificate))] if files.certificate else []
        return min(ends)
    except (OSError, ValueError, IndexError):
        return math.nan


def _ends(path: Path) -> list[float]:
    return [_not_after_s(ssl.PEM_cert_to_DER_cert(pem)) for pem in _PEM.findall(path.read_text())]


def _not_after_s(der: bytes) -> float:
    """The end of a certificate's validity (RFC 5280, 4.1.2.5), in Unix time.

    Raises ValueError or IndexError for what is no certificate. The standard library reads it
    only of a peer, and cryptography would be a large package for one date.
    """
    certificate = _element(der, 0)
    signed = _element(der, certificate.start)
    position = signed.start
    if der[position] == _EXPLICIT_VERSION:
        position = _element(der, position).end
    for _ in ("serial number", "signature algorithm", "issuer"):
        position = _element(der, position).end
    validity = _element(der, position)
    not_after = _element(der, _element(der, validity.start).end)
    text = der[not_after.start : not_after.end].decode("ascii")
    if der[not_after.start - 2] == _UTC_TIME:
        text = ("20" if int(text[:2]) < 50 else "19") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class _Element:
    """Where the content of a DER element lies."""

    start: int
    end: int


def _element(der: bytes, position: int) -> _Element:
    length, start = der[position + 1], position + 2
    if length & 0x80:
        count = length & 0x7F
        length, start = int.from_bytes(der[start : start + count]), start + count
    return _Element(start, start + length)
