"""HTTPS, where a certificate is stated."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

from alerts.sink import Problem
from alerts.sinks.certificates import TlsFiles, first_end_s
from config.errors import ConfigError
from config.settings import HttpSettings


def tls_context(settings: HttpSettings) -> ssl.SSLContext | None:
    """For the server, TLS 1.2 or later; None where no certificate is stated.

    Raises ConfigError where the files cannot be read, or do not belong together.
    """
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except ValueError as error:
        raise ConfigError(f"http.tls_key: {error}") from error
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or "not PEM"
        raise ConfigError(
            f"http.tls_certificate: {certificate}, with the key {key or 'in the same file'}, "
            f"cannot be used ({reason.replace('_', ' ').lower()}); give the PEM of this server's "
            "certificate and, as tls_key, the private key it was made with"
        ) from error
    return context


def tls_problems(settings: HttpSettings, now_s: float) -> Iterator[Problem]:
    """What is wrong with the files that are stated; `now_s` is Unix time."""
    if settings.tls_certificate is None:
        if settings.tls_key:
            text = "has no certificate beside it; state http.tls_certificate, too"
            yield Problem(("http", "tls_key"), text)
        return
    try:
        tls_context(settings)
    except ConfigError as error:
        where, _, text = str(error).partition(": ")
        yield Problem(tuple(where.split(".")), text)
        return
    end_s = first_end_s(TlsFiles(None, settings.tls_certificate))
    if end_s < now_s:
        text = f"has expired on {datetime.fromtimestamp(end_s, UTC):%Y-%m-%d}; renew it"
        yield Problem(("http", "tls_certificate"), text)


def _no_passphrase() -> str:
    """OpenSSL would ask for it on the terminal, and wait."""
    raise ValueError("the key has a passphrase; remove it with openssl pkey -in KEY -out NEW")
