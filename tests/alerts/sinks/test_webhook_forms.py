"""What a webhook's receiver gets: the form that was chosen, signed where there is a secret."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from alerting import PICTURE, Dispatching, follow_up, make_alert, sink, wait_for
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError
from structlog.testing import capture_logs

from alerts.message import AlertPhase
from alerts.sinks.http.options import WebhookOptions
from config.secrets import scrub

SECRET = "whsec_" + base64.b64encode(bytes(range(100, 132))).decode()
CAP = {"form": "cap", "sender": "jikimi@city.example"}


@dataclass
class Receiver:
    """What came, byte by byte, and what to answer: `answers` first, then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    seen = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(seen.answers.pop(0) if seen.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        seen.url = f"http://127.0.0.1:{server.server_port}/hook"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield seen
        server.shutdown()
        thread.join()


def test_cloudevents_arrive_as_the_sdk_reads_them(
    receiver: Receiver, dispatching: Dispatching
) -> None:
    alert = make_alert(image=PICTURE)
    dispatcher = dispatching(sink("webhook", url=receiver.url, form="cloudevents"))
    dispatcher.submit(alert)
    dispatcher.submit(follow_up(alert, AlertPhase.CLOSED, 1))
    wait_for(lambda: len(receiver.requests) == 2)
    events = [from_http_event(HTTPMessage(*request)) for request in receiver.requests]
    assert [event.get_type() for event in events] == [
        "io.jikimi.incident.opened.v1",
        "io.jikimi.incident.closed.v1",
    ]
    assert [event.get_subject() for event in events] == [str(alert.incident_id)] * 2


LINKS = {"console": "https://box/incident/1", "mute": "https://box/incident/1?ask=mute"}


def test_each_form_has_the_links(receiver: Receiver, dispatching: Dispatching) -> None:
    forms = {"json": {}, "events": {"form": "cloudevents"}, "cap": CAP}
    dispatching(
        *(sink("webhook", name, url=receiver.url, **form) for name, form in forms.items())
    ).submit(make_alert(links=LINKS))
    wait_for(lambda: len(receiver.requests) == len(forms))
    by_type = {headers["content-type"]: body for headers, body in receiver.requests}
    assert json.loads(by_type["application/json"])["links"] == LINKS
    event = next(body for kind, body in by_type.items() if "cloudevents" in kind)
    assert json.loads(event)["data"]["links"] == LINKS
    assert ET.fromstring(by_type["application/cap+xml"]).findtext(".//{*}web") == LINKS["console"]


def test_cap_goes_without_its_picture_where_that_is_too_large(
    receiver: Receiver, dispatching: Dispatching
) -> None:
    receiver.answers = [413]
    dispatching(sink("webhook", url=receiver.url, **CAP)).submit(make_alert(image=PICTURE))
    wait_for(lambda: len(receiver.requests) == 2)
    for (headers, body), has_picture in zip(receiver.requests, (True, False), strict=True):
        assert headers["content-type"] == "application/cap+xml"
        root = ET.fromstring(body)
        assert (root.find(".//{*}derefUri") is not None) == has_picture
        assert root.findtext("{*}sender") == CAP["sender"]


@pytest.mark.parametrize("options", [{}, {"form": "cloudevents"}, CAP])
def test_each_attempt_is_signed_and_keeps_its_id(
    receiver: Receiver, dispatching: Dispatching, options: dict[str, str]
) -> None:
    receiver.answers = [503]
    alert = make_alert(camera="정문")
    settings = sink("webhook", url=receiver.url, signing_secret=f"{SECRET}\n", **options)
    with capture_logs() as logs:
        dispatcher = dispatching(settings)
        dispatcher.submit(alert)
        wait_for(lambda: dispatcher.status()[0].counts.get("delivered"))
    assert len(receiver.requests) == 2
    for headers, body in receiver.requests:
        Webhook(SECRET).verify(body, headers, json_parse=False)
        assert headers["webhook-id"] == str(alert.alert_id)
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body + b" ", headers)
    shown = f"{logs}{settings!r}{settings.model_dump_json()}"
    assert SECRET.removeprefix("whsec_") not in shown
    assert scrub(f"no {SECRET.removeprefix('whsec_')}") == "no ***"


def test_without_a_secret_nothing_is_signed(receiver: Receiver, dispatching: Dispatching) -> None:
    dispatching(sink("webhook", url=receiver.url)).submit(make_alert())
    ((headers, body),) = wait_for(lambda: receiver.requests)
    assert not [name for name in headers if name.startswith("webhook-")]
    assert json.loads(body)["schema_version"] == 1


@pytest.mark.parametrize(
    "secret", ["t0ps3cret", "whsec_", "whsec_t0ps3cret!", "whsec_AAAA", SECRET[6:], SECRET + "A"]
)
def test_what_is_no_signing_secret_is_refused_without_being_quoted(secret: str) -> None:
    with pytest.raises(ValidationError) as raised:
        WebhookOptions.model_validate({"url": "https://host/", "signing_secret": secret})
    (error,) = raised.value.errors()
    assert "openssl rand -base64 32" in error["msg"]
    assert "s3cret" not in error["msg"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"form": "cap"}, "cap needs a sender"),
        ({"sender": "me"}, "sender needs form: cap"),
        ({"form": "cap", "sender": "city police"}, "holds a space"),
        ({"form": "cap", "sender": "a,b"}, "holds a space"),
    ],
)
def test_a_sender_is_for_cap_and_held_to_it(options: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        WebhookOptions.model_validate({"url": "https://host/", **options})
