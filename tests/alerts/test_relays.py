"""Lights and sirens: on for a set time, and off whenever nobody watches."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alerting import make_alert, sink, wait_for
from gpiozero import DigitalOutputDevice
from gpiozero.pins.mock import MockFactory
from pydantic import ValidationError

from alerts.sinks import relay as module
from alerts.sinks import siren as siren_module
from alerts.sinks.relay import FloodlightSink, RelayOptions, relays_off
from alerts.sinks.siren import SirenOptions, SirenSink
from config.errors import DeliveryError


@pytest.fixture
def factory(monkeypatch: pytest.MonkeyPatch) -> MockFactory:
    """One box for all relays of a test, so that its pins can be looked at."""
    box = MockFactory()
    # gpiozero frees a factory's pins when it is closed; the box outlives each sink here.
    monkeypatch.setattr(module, "_pin_factory", lambda _options: box)
    return box


@pytest.fixture
def light(factory: MockFactory) -> Iterator[FloodlightSink]:
    made = FloodlightSink("light", RelayOptions(pin=17, pin_factory="mock", on_s=0.3))
    made.start()
    yield made
    made.close()


def test_on_for_a_set_time_then_off(light: FloodlightSink, factory: MockFactory) -> None:
    pin = factory.pin(17)
    assert not pin.state
    light.deliver(make_alert())
    assert pin.state
    wait_for(lambda: not pin.state)


def test_another_alert_extends(factory: MockFactory) -> None:
    light = FloodlightSink("light", RelayOptions(pin=17, pin_factory="mock", on_s=60))
    light.start()
    light.deliver(make_alert())
    pin = factory.pin(17)
    first = light._relay._timer
    assert first is not None
    light.deliver(make_alert())
    light._relay._time_is_up(first)  # the first one's time comes
    assert pin.state
    light.close()
    assert not pin.state


def test_off_at_start_and_stop_also_where_low_means_on(factory: MockFactory) -> None:
    pin = factory.pin(4)
    pin.function = "output"
    pin.state = 0  # left on by a crash
    light = FloodlightSink("light", RelayOptions(pin=4, pin_factory="mock", active_high=False))
    light.start()
    assert pin.state == 1
    light.deliver(make_alert())
    assert pin.state == 0
    light.close()
    assert pin.state == 1


def test_a_relay_that_will_not_go_off_is_tried_until_it_does(
    light: FloodlightSink, factory: MockFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OFF_RETRY_S", 0.01)
    real_off = DigitalOutputDevice.off
    faults = [OSError("connection lost")] * 2
    done = threading.Event()

    def off(device: DigitalOutputDevice) -> None:
        if faults:
            raise faults.pop()
        real_off(device)
        done.set()

    monkeypatch.setattr(DigitalOutputDevice, "off", off)
    light.deliver(make_alert())
    assert done.wait(20)
    assert not factory.pin(17).state


def test_a_pin_that_failed_is_claimed_anew(
    light: FloodlightSink, factory: MockFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on(_device: DigitalOutputDevice) -> None:
        raise BrokenPipeError("Broken pipe")

    with monkeypatch.context() as broken:
        broken.setattr(DigitalOutputDevice, "on", on)
        with pytest.raises(DeliveryError, match="cannot be switched on"):
            light.deliver(make_alert())
    light.deliver(make_alert())
    assert factory.pin(17).state


def test_missing_hardware_is_a_delivery_error() -> None:
    light = FloodlightSink(
        "light", RelayOptions(pin=17, pin_factory="pigpio", host="127.0.0.1", port=1)
    )
    with pytest.raises(DeliveryError, match="pin 17 cannot be claimed through pigpio"):
        light.start()
    with pytest.raises(DeliveryError, match="cannot be claimed"):
        light.deliver(make_alert())
    light.close()


def test_relays_off_after_a_crash(factory: MockFactory) -> None:
    pin = factory.pin(17)
    pin.function = "output"
    pin.state = 1
    history = pin.states
    sinks = [
        sink("log"),
        sink("siren", "horn", pin=17, pin_factory="mock"),
        sink("siren", "sound", command=["true"]),
        sink("floodlight", pin="NOPIN", pin_factory="mock"),
    ]
    (problem,) = relays_off(sinks)
    assert problem.startswith("floodlight: pin NOPIN cannot be claimed")
    assert pin.state == 0
    assert 1 in [state.state for state in history]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pin": 4, "command": ["true"]},
        {"command": []},
        {"pin": 4, "host": "10.0.0.2"},
        {"pin": 4, "on_s": 0},
    ],
)
def test_sirens_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SirenOptions.model_validate(options)


def test_siren_on_a_relay(factory: MockFactory) -> None:
    siren = SirenSink("siren", SirenOptions(pin=22, pin_factory="mock"))
    siren.start()
    pin = factory.pin(22)
    siren.deliver(make_alert())
    assert pin.state
    siren.close()
    assert not pin.state


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sound that lives for a moment counts as sounding."""
    monkeypatch.setattr(siren_module, "FAILS_WITHIN_S", 0.01)


def command(tmp_path: Path, code: str) -> list[str]:
    script = tmp_path / "sound.py"
    script.write_text(code)
    return [sys.executable, str(script)]


def test_a_sound_knows_the_camera_and_ends_in_time(tmp_path: Path, hasty: None) -> None:
    noted = tmp_path / "noted"
    code = f"""
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
known = (os.environ["JIKIMI_CAMERA"], os.environ["JIKIMI_EXERCISE"], str(os.getpid()))
open({str(noted)!r}, "w").write(" ".join(known) + "\\n")
signal.pause()
"""
    siren = SirenSink("siren", SirenOptions(command=command(tmp_path, code), on_s=0.5))
    siren.start()
    siren.deliver(make_alert(exercise=True))
    text = wait_for(
        lambda: noted.exists() and noted.read_text().endswith("\n") and noted.read_text()
    )
    camera, exercise, pid = text.split()
    assert (camera, exercise) == ("gate", "1")
    wait_for(lambda: not Path(f"/proc/{pid}").exists())
    siren.close()


def test_a_sound_is_cut_at_stop_and_extended_by_another_alert(tmp_path: Path, hasty: None) -> None:
    pids = tmp_path / "pids"
    code = f"""
import os, signal
open({str(pids)!r}, "a").write(f"{{os.getpid()}}\\n")
signal.pause()
"""
    siren = SirenSink("siren", SirenOptions(command=command(tmp_path, code)))
    siren.deliver(make_alert())
    siren.deliver(make_alert())
    (pid,) = wait_for(lambda: pids.exists() and pids.read_text().split())
    siren.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), signal.SIG_DFL)


def test_a_sound_that_fails_is_not_delivered(tmp_path: Path) -> None:
    code = "import sys; sys.exit('no sound card')"
    siren = SirenSink("siren", SirenOptions(command=command(tmp_path, code)))
    with pytest.raises(DeliveryError, match="code 1: no sound card"):
        siren.deliver(make_alert())
    siren = SirenSink("siren", SirenOptions(command=["/no/such/player"]))
    with pytest.raises(DeliveryError, match="No such file"):
        siren.deliver(make_alert())
    siren.close()


def test_arguments_are_no_shell(tmp_path: Path) -> None:
    target = tmp_path / "pwned"
    siren = SirenSink("siren", SirenOptions(command=["echo", f"; touch {target}"]))
    siren.deliver(make_alert(camera="$(reboot)"))
    siren.close()
    assert not target.exists()
