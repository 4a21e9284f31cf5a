"""`jikimi relays-off`, which systemd runs when the daemon has ended, however it did."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.cli import main
from detector.daemon.handover.claims import CLAIMS, write_claims

UNREADABLE = """
cameras:
  gate: {url: {credential: nowhere}}
  yard: {colour: red}
sinks:
  police: {type: mqtt, host: broker.example, password: {credential: nowhere}}
  horn: {type: siren, pin: 4, pin_factory: mock, route: {cameras: [elsewhere]}}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = tmp_path / "jikimi.yaml"
    path.write_text(UNREADABLE)
    return path


def test_only_what_is_said_of_relays_must_be_right(config: Path) -> None:
    assert main(["relays-off", "--config", str(config)]) == 0


def test_a_relay_that_may_still_be_on_is_named(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(UNREADABLE.replace("pin: 4", "pin: NOPIN"))
    assert main(["relays-off", "--config", str(config)]) == 5
    assert "horn: pin NOPIN cannot be claimed" in capsys.readouterr().err


def test_a_mistake_about_a_relay_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(UNREADABLE.replace("pin_factory: mock", "pin_factory: wood"))
    assert main(["relays-off", "--config", str(config)]) == 2
    assert "sinks.horn.pin_factory" in capsys.readouterr().err


def test_a_pin_may_come_from_the_environment(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JIKIMI_SINKS__HORN__PIN", "NOPIN")
    monkeypatch.setenv("JIKIMI_HTTP__PORT", "no port")
    assert main(["relays-off", "--config", str(config)]) == 5
    assert "NOPIN" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["relays-off", "--config", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml" in capsys.readouterr().err


def test_a_relay_of_another_box_is_left_alone(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stated = UNREADABLE.replace("pin: 4", "pin: NOPIN, box: harbour")
    config.write_text(stated)
    assert main(["relays-off", "--config", str(config)]) == 5  # in no cluster: it is this box's
    write_claims(config.with_name(CLAIMS), "gate", {})
    assert main(["relays-off", "--config", str(config)]) == 0
    write_claims(config.with_name(CLAIMS), "harbour", {})
    assert main(["relays-off", "--config", str(config)]) == 5
    assert "horn: pin NOPIN" in capsys.readouterr().err
