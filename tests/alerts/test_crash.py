"""`kill -9` between an incident and its delivery: at least once, and ids that allow exactly one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from alerting import (
    PICTURE,
    Clock,
    Dispatching,
    ScriptedSink,
    StoredOutbox,
    make_alert,
    sink,
    wait_for,
)

from alerts.deadline import Deadline
from servers.mqtt import PROTOCOL, MqttBroker, Subscriber
from servers.ports import free_port

TESTS = Path(__file__).parents[1]

DAEMON = """
import sqlite3, sys, threading
from pathlib import Path
from prometheus_client import CollectorRegistry
from alerting import PICTURE, follow_up, make_alert, sink
from alerts.dispatcher import Dispatcher
from alerts.metrics import AlertMetrics

folder, port, protocol = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
station = sink("mqtt", "station", host="127.0.0.1", port=port, protocol=protocol)
# Its pin is on a box that is not there, so that the siren cannot take its alert either.
siren = sink("siren", "horn", pin=4, pin_factory="pigpio", host="127.0.0.1", port=1)
dispatcher = Dispatcher(
    [station, siren], folder / "outbox.sqlite", AlertMetrics(CollectorRegistry())
)
dispatcher.start()
file = sqlite3.connect(folder / "outbox.sqlite")

def on_disk(alert):
    query = "SELECT count(*) FROM alert WHERE alert_id = ?"
    return file.execute(query, (str(alert.alert_id),)).fetchone()[0]

opened = make_alert(image=PICTURE)
for alert in (opened, follow_up(opened, "updated", 1), follow_up(opened, "closed", 2)):
    dispatcher.submit(alert)
    while not on_disk(alert):
        threading.Event().wait(0.01)
    print(alert.alert_id, flush=True)
print("done", flush=True)
threading.Event().wait()
"""


def killed_daemon(
    folder: Path, port: int, *, at_line: int, first: Callable[[], object] = lambda: None
) -> list[str]:
    """Run the daemon, kill it once it has printed so many lines; returns the ids printed.

    `first` is called before the kill.
    """
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(folder), str(port), PROTOCOL],
        env={"PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert daemon.stdout is not None
    lines: list[str] = []
    for line in daemon.stdout:
        if line.count("-") == 4 or line == "done\n":
            lines.append(line.strip())
        if len(lines) == at_line:
            break
    first()
    daemon.send_signal(signal.SIGKILL)
    daemon.wait(10)
    daemon.stdout.close()
    assert len(lines) == at_line
    return [line for line in lines if line != "done"]


@pytest.mark.slow
def test_what_was_submitted_and_is_on_disk_arrives_after_a_kill(
    tmp_path: Path, dispatching: Dispatching
) -> None:
    port = free_port()
    ids = killed_daemon(tmp_path, port, at_line=4)
    with MqttBroker(tmp_path) as broker, Subscriber(broker) as subscriber:
        dispatcher = dispatching(
            sink("mqtt", "station", host="127.0.0.1", port=broker.port, protocol=PROTOCOL),
        )
        got = subscriber.wait_for_incidents(3)
        wait_for(lambda: all(status.depth == 0 for status in dispatcher.status()))
        got = subscriber.incidents()
    assert list(dict.fromkeys(message["alert_id"] for message in got)) == ids
    assert [message["phase"] for message in got][:1] == ["opened"]
    assert len(got[0]["image"]) > len(PICTURE)
    assert len({message["incident_id"] for message in got}) == 1


@pytest.mark.slow
def test_after_a_kill_the_daemon_shows_as_offline(tmp_path: Path) -> None:
    with MqttBroker(tmp_path) as broker:
        with Subscriber(broker) as subscriber:
            told = partial(subscriber.wait_for_incidents, 1)
            killed_daemon(tmp_path, broker.port, at_line=1, first=told)
            subscriber.wait_until(lambda messages: any(m.payload == b"offline" for m in messages))
        with Subscriber(broker) as late_comer:
            late_comer.wait_until(
                lambda messages: (
                    [m.payload for m in messages if m.topic == "jikimi/default/availability"]
                    == [b"offline"]
                )
            )


@pytest.mark.slow
def test_an_expired_siren_stays_silent_after_a_kill(
    tmp_path: Path, dispatching: Dispatching
) -> None:
    killed_daemon(tmp_path, free_port(), at_line=4)
    later = Clock(time.time() + 30)
    dispatcher = dispatching(sink("siren2", "horn"), clock=later)
    wait_for(lambda: dispatcher.status()[0].counts.get("expired"))
    fresh = make_alert()
    dispatcher.submit(fresh)
    wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))
    assert [alert.alert_id for alert in ScriptedSink.made["horn"].got] == [fresh.alert_id]


@pytest.mark.slow
@pytest.mark.parametrize("at_line", [1, 2, 3])
def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path, at_line: int) -> None:
    ids = killed_daemon(tmp_path, free_port(), at_line=at_line)
    outbox = StoredOutbox(tmp_path / "outbox.sqlite")
    kept = []
    while message := outbox.next_due("station", 0):
        kept.append(str(message.alert.alert_id))
        outbox.acknowledge(message)
    outbox.close(Deadline.after(5))
    assert kept[: len(ids)] == ids
    assert not list(tmp_path.glob("*damaged*"))
