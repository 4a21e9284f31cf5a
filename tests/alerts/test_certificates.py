"""The day on which a certificate ends is read from files that openssl wrote."""

from __future__ import annotations

import math
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alerting import Dispatching, sink
from prometheus_client import CollectorRegistry

from alerts.deadline import Deadline
from alerts.sinks.certificates import TlsFiles, first_end_s

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")

DAY_S = 86_400


def make(folder: Path, name: str, days: int) -> Path:
    """A certificate signed by itself that ends in `days`."""
    path = folder / f"{name}.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", str(days)]
    command += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", f"/CN={name}"]
    command += ["-keyout", str(folder / f"{name}.key"), "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def days_left(files: TlsFiles) -> float:
    return (first_end_s(files) - datetime.now(UTC).timestamp()) / DAY_S


@pytest.mark.parametrize("days", [3, 400, 12_000])  # the last ends after 2050, written otherwise
def test_the_end_is_what_openssl_says(tmp_path: Path, days: int) -> None:
    path = make(tmp_path, "client", days)
    assert days_left(TlsFiles(None, path)) == pytest.approx(days, abs=0.01)
    text = ["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in", str(path)]
    shown = subprocess.run(text, capture_output=True, text=True, check=True).stdout
    end = datetime.fromtimestamp(first_end_s(TlsFiles(None, path)), UTC)
    assert f"{end:%Y-%m-%d %H:%M:%SZ}" in shown


def test_a_chain_ends_with_its_first_and_authorities_with_their_last(tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    parts = (make(tmp_path, name, days) for name, days in (("old", 5), ("new", 50)))
    both.write_text("a comment\n" + "".join(part.read_text() for part in parts))
    assert days_left(TlsFiles(None, both)) == pytest.approx(5, abs=0.01)
    assert days_left(TlsFiles(both, None)) == pytest.approx(50, abs=0.01)
    assert days_left(TlsFiles(both, make(tmp_path, "client", 20))) == pytest.approx(20, abs=0.01)


@pytest.mark.parametrize(
    "text",
    ["", "no certificate", "-----BEGIN CERTIFICATE-----\nMAUwAzAB\n-----END CERTIFICATE-----\n"],
)
def test_what_cannot_be_read_has_no_end(tmp_path: Path, text: str) -> None:
    path = tmp_path / "client.pem"
    path.write_text(text)
    assert math.isnan(first_end_s(TlsFiles(None, path)))
    assert math.isnan(first_end_s(TlsFiles(path, None)))
    assert math.isnan(first_end_s(TlsFiles(tmp_path / "missing.pem", None)))


def test_a_sink_with_tls_files_shows_when_they_end_and_others_show_nothing(
    tmp_path: Path, dispatching: Dispatching, prometheus: CollectorRegistry
) -> None:
    ca = make(tmp_path, "ca", 30)
    tls = sink("mqtt", "police", host="127.0.0.1", port=1, tls={"ca": str(ca)})
    plain = sink("mqtt", "police", host="127.0.0.1", port=1)
    dispatcher = dispatching(tls, sink("recording"))

    def shown(name: str) -> float | None:
        return prometheus.get_sample_value(
            "jikimi_certificate_expiry_timestamp_seconds", {"sink": name}
        )

    assert shown("police") == first_end_s(TlsFiles(ca, None))
    assert shown("recording") is None
    dispatcher.reconfigure([plain], Deadline.after(5))
    assert shown("police") is None
