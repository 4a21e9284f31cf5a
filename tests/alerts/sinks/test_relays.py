"""Lights and sirens: on for a set time, and off whenever nobody watches."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alerting import make_alert, sink, wait_for
from gpiozero import DigitalOutputDevice
from gpiozero.pins.mock import MockFactory
from pydantic import ValidationError

from alerts.sinks import relay as module
from alerts.sinks.relay import FloodlightSink, relays_off
from alerts.sinks.relays import off_timer, pin_factory
from alerts.sinks.relays.options import RelayOptions
from alerts.sinks.siren import SirenOptions, SirenSink
from config.errors import DeliveryError


@pytest.fixture
def factory(monkeypatch: pytest.MonkeyPatch) -> MockFactory:
    """One box for all relays of a test, so that its pins can be looked at."""
    box = MockFactory()
    # gpiozero frees a factory's pins when it is closed; the box outlives each sink here.
    monkeypatch.setattr(module, "factory_of", lambda _options: box)
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


class Clock:
    """The time by which relays are switched off; `pass_` returns once it has been looked at."""

    def __init__(self, timer: off_timer.OffTimer, monkeypatch: pytest.MonkeyPatch) -> None:
        self._timer = timer
        self._now_s = 1000.0
        self._looked = threading.Semaphore(0)
        monkeypatch.setattr(off_timer, "time", self)

    def monotonic(self) -> float:
        if threading.current_thread() is not threading.main_thread():
            self._looked.release()
        return self._now_s

    def pass_(self, seconds: float) -> None:
        """Let so much time pass, after which nothing is due."""
        self._now_s += seconds
        for _ in range(2):  # whoever finds that it is time looks again before he acts
            while self._looked.acquire(blocking=False):
                pass
            with self._timer._changed:
                self._timer._changed.notify_all()
            assert self._looked.acquire(timeout=20)
        with self._timer._changed:
            pass

    def end(self, seconds: float) -> None:
        """Let so much time pass, after which something is due."""
        self._now_s += seconds
        with self._timer._changed:
            self._timer._changed.notify_all()


def test_another_alert_extends(factory: MockFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    light = FloodlightSink("light", RelayOptions(pin=17, pin_factory="mock", on_s=60))
    light.start()
    clock = Clock(light._relay._timer, monkeypatch)
    light.deliver(make_alert())
    clock.pass_(50)
    light.deliver(make_alert())
    clock.pass_(50)
    pin = factory.pin(17)
    assert pin.state
    clock.end(11)
    wait_for(lambda: not pin.state)
    light.close()


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Once called, no thread can be started, as where TasksMax= is reached."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    return lambda: monkeypatch.setattr(threading.Thread, "start", refuse)


def test_a_relay_needs_no_new_thread_to_go_off(
    light: FloodlightSink, factory: MockFactory, threads: Callable[[], None]
) -> None:
    threads()
    light.deliver(make_alert())
    pin = factory.pin(17)
    assert pin.state
    wait_for(lambda: not pin.state)


def test_what_nothing_could_switch_off_is_not_switched_on(
    factory: MockFactory, tmp_path: Path, threads: Callable[[], None]
) -> None:
    threads()
    light = FloodlightSink("light", RelayOptions(pin=17, pin_factory="mock"))
    for attempt in (light.start, lambda: light.deliver(make_alert())):
        with pytest.raises(DeliveryError, match="nothing could switch it off again"):
            attempt()
    assert 1 not in [state.state for state in factory.pin(17).states]
    heard = tmp_path / "heard"
    horn = SirenSink("horn", SirenOptions(command=["touch", str(heard)]))
    for attempt in (horn.start, lambda: horn.deliver(make_alert())):
        with pytest.raises(DeliveryError, match="nothing could switch it off again"):
            attempt()
    assert not heard.exists()
    light.close()
    horn.close()


def test_without_memory_to_wait_with_a_relay_still_goes_off(
    light: FloodlightSink, factory: MockFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(*_: object) -> None:
        raise MemoryError

    light.deliver(make_alert())
    monkeypatch.setattr(threading.Condition, "wait", wait)
    pin = factory.pin(17)
    until_s = time.monotonic() + 20
    while pin.state and time.monotonic() < until_s:
        os.sched_yield()
    assert not pin.state


def test_a_relay_that_may_be_on_is_switched_off(
    factory: MockFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = threading.Event()  # the relay behind the pin: its board hears, its answer is lost
    real_off = DigitalOutputDevice.off

    def on(_device: DigitalOutputDevice) -> None:
        closed.set()
        raise TimeoutError("the answer is lost")

    def off(device: DigitalOutputDevice) -> None:
        real_off(device)
        closed.clear()

    monkeypatch.setattr(DigitalOutputDevice, "on", on)
    monkeypatch.setattr(DigitalOutputDevice, "off", off)
    light = FloodlightSink("light", RelayOptions(pin=17, pin_factory="mock", on_s=3600))
    light.start()
    with pytest.raises(DeliveryError, match="the answer is lost"):
        light.deliver(make_alert())
    wait_for(lambda: not closed.is_set())
    light.close()


def test_a_relay_can_be_used_again_after_it_was_closed(
    light: FloodlightSink, factory: MockFactory
) -> None:
    for _ in range(20):
        light.close()
        light.start()
    light.deliver(make_alert())
    pin = factory.pin(17)
    assert pin.state
    wait_for(lambda: not pin.state)
    light.close()
    wait_for(lambda: "off relay on pin 17" not in [each.name for each in threading.enumerate()])


def test_a_remote_pigpio_that_says_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pin_factory, "PIGPIO_TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(address)
        options = RelayOptions(pin=17, pin_factory="pigpio", host=address[0], port=address[1])
        with pytest.raises(DeliveryError, match="pin 17 cannot be claimed through pigpio"):
            FloodlightSink("light", options).start()
        for client in waiting:
            client.close()


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
    monkeypatch.setattr(off_timer, "OFF_RETRY_S", 0.01)
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
