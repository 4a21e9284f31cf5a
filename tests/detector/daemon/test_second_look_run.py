"""`jikimi run` with a second look: from pictures to alerts that say whether it has looked."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_second_look import add_second_look

from servers.daemon import DaemonProcess, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

CONFIG = """
weights: {weights}
detection: {{second_look: {second_look}}}
cameras: {{yard: "pattern://calm"}}
sinks:
  record: {{type: recording, path: {record}}}
"""
"""To these weights whatever moves is violence, and people walk there all the time."""


class Watch:
    """A daemon, and what it has told."""

    def __init__(self, folder: Path, weights: Path) -> None:
        self.record = folder / "record.jsonl"
        self.weights = weights
        self.daemon = DaemonProcess(folder / "jikimi", self.config("on"))

    def config(self, second_look: str) -> str:
        return CONFIG.format(weights=self.weights, record=self.record, second_look=second_look)

    def told(self) -> list[dict[str, Any]]:
        written = self.record.read_text().splitlines() if self.record.exists() else []
        return [json.loads(line) for line in written]

    def opened(self) -> list[dict[str, Any]]:
        return [alert for alert in self.told() if alert["phase"] == "opened"]

    def verified(self) -> list[dict[str, Any]]:
        """On a busy machine the first stage may have opened what is verified a moment later."""
        return [alert for alert in self.told() if alert["verified"]]

    def state(self) -> str:
        return str(self.daemon.health()["second_look"]["state"])


def test_alerts_say_whether_they_are_verified_and_status_why_they_are_not(
    tmp_path: Path, make_weights: Callable[..., Path]
) -> None:
    weights = add_second_look(make_weights(), logit=3.0)
    watch = Watch(tmp_path, weights)
    with watch.daemon as daemon:
        wait_until(lambda: watch.state() == "looking", "the second look")
        first = wait_until(watch.verified, "an alarm that is verified")[0]
        assert first["score"] >= 0.95
        wait_until(lambda: daemon.metric("jikimi_second_looks_total", camera="yard"), "a count")
        assert "second look looking" in daemon.jikimi("status").stdout
        assert 'jikimi_thread_stuck{thread="second-look"} 0.0' in daemon.metrics_text()

        daemon.config_path.write_text(watch.config("off"))
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: watch.state() == "off", "it to be switched off")
        wait_until(lambda: len(watch.opened()) == 2, "an alarm without it")
        assert watch.opened()[1]["verified"] is False
        assert daemon.stop() < 5


def test_a_second_look_that_cannot_be_loaded_is_said_and_alarms_come_without_it(
    tmp_path: Path, make_weights: Callable[..., Path]
) -> None:
    weights = add_second_look(make_weights(), logit=3.0)
    (weights.parent / "second.tflite").unlink()
    watch = Watch(tmp_path, weights)
    with watch.daemon as daemon:
        assert wait_until(watch.opened, "an alarm")[0]["verified"] is False
        health = daemon.health()
        assert health["second_look"]["state"] == "failing"
        assert "second.tflite: cannot be read" in health["second_look"]["reason"]
        assert health["status"] == "ok"
        assert daemon.metric("jikimi_second_look_failing") == 1
        assert "second look failing (" in " ".join(daemon.jikimi("status").stdout.split())
        said = [line for line in daemon.log().splitlines() if '"second look"' in line]
        assert len(said) == 1
