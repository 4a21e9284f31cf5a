"""Alerts to a real HTTP server."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from alerting import PICTURE, Dispatching, make_alert, sink, wait_for
from pydantic import ValidationError
from structlog.testing import capture_logs

from alerts.message import Alert
from alerts.sink import RejectedError
from alerts.sinks.recording import RecordingOptions, RecordingSink
from alerts.sinks.webhook import WebhookOptions, WebhookSink
from config.errors import DeliveryError


@dataclass
class Receiver:
    """What came, and what to answer: `answers` first, then 200."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    requests: list[tuple[dict[str, str], Any]] = field(default_factory=list)

    def post(self, alert: Alert, **options: Any) -> None:
        values = {"url": f"http://127.0.0.1:{self.port}/hook?key=s3cret", **options}
        WebhookSink("hook", WebhookOptions.model_validate(values)).deliver(alert)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    seen = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(seen.answers.pop(0) if seen.answers else 200)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        seen.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield seen
        server.shutdown()
        thread.join()


def test_an_alert_is_posted_as_json(receiver: Receiver) -> None:
    alert = make_alert(image=PICTURE)
    receiver.post(alert, bearer_token="t0ken", headers={"X-Box": "7"})
    ((headers, body),) = receiver.requests
    assert Alert.model_validate(body) == alert
    assert headers["authorization"] == "Bearer t0ken"
    assert headers["content-type"] == "application/json"
    assert headers["x-box"] == "7"


def test_a_password_in_the_url_becomes_a_header(receiver: Receiver) -> None:
    receiver.post(make_alert(), url=f"http://me:p%40ss@127.0.0.1:{receiver.port}/", image=False)
    ((headers, body),) = receiver.requests
    assert headers["authorization"] == "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert "image" not in body


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, DeliveryError),
        (302, DeliveryError),
        (400, RejectedError),
        (401, DeliveryError),
        (408, DeliveryError),
        (422, RejectedError),
        (429, DeliveryError),
        (503, DeliveryError),
    ],
)
def test_only_2xx_is_an_acknowledgement(
    receiver: Receiver, status: int, error: type[Exception]
) -> None:
    receiver.answers = [status]
    with pytest.raises(error, match=str(status)) as raised:
        receiver.post(make_alert())
    assert raised.type is error
    assert len(receiver.requests) == 1
    assert "s3cret" not in str(raised.value)


def test_too_large_a_picture_is_left_out(receiver: Receiver) -> None:
    receiver.answers = [413]
    receiver.post(make_alert(image=PICTURE))
    assert ["image" in body for _, body in receiver.requests] == [True, False]


def test_nobody_there_is_said_without_the_url() -> None:
    receiver = Receiver(port=1)
    with pytest.raises(DeliveryError, match=r"127\.0\.0\.1 cannot be reached") as raised:
        receiver.post(make_alert())
    assert "s3cret" not in str(raised.value)


def test_an_outage_is_weathered_and_no_secret_shown(
    receiver: Receiver, dispatching: Dispatching
) -> None:
    receiver.answers = [503, 400]
    url = f"http://u:pa55@127.0.0.1:{receiver.port}/k3y"
    with capture_logs() as logs:
        settings = sink("webhook", url=url, bearer_token="t0ken")
        dispatcher = dispatching(settings)
        dispatcher.submit(make_alert())
        wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))
    shown = f"{logs}{dispatcher.status()}{settings!r}{settings.model_dump_json()}"
    assert not [secret for secret in ("pa55", "k3y", "t0ken") if secret in shown]


@pytest.mark.parametrize("url", ["ftp://host/", "host/path", "file:///etc/passwd", "https://"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        WebhookOptions.model_validate({"url": url})


def test_recording_writes_a_line_an_alert(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    recorder = RecordingSink("recorder", RecordingOptions(path=path))
    alerts = [make_alert(image=PICTURE), make_alert(exercise=True)]
    for alert in alerts:
        recorder.deliver(alert)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["alert_id"] for line in lines] == [str(alert.alert_id) for alert in alerts]
    path.unlink()
    path.mkdir()
    with pytest.raises(DeliveryError):
        recorder.deliver(make_alert())


def test_log_shows_the_alert_without_its_picture(dispatching: Dispatching) -> None:
    with capture_logs() as logs:
        dispatcher = dispatching(sink("log"))
        dispatcher.submit(make_alert(image=PICTURE))
        wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))
    (entry,) = [entry for entry in logs if entry["event"] == "alert"]
    assert entry["camera"] == "gate"
    assert "image" not in entry
