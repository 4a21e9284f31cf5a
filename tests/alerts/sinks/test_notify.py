"""Messages to real servers that are shaped as ntfy, Telegram and mail are."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from alerting import PICTURE, Dispatching, follow_up, make_alert, sink, wait_for
from apprise.plugins.telegram import NotifyTelegram
from pydantic import ValidationError

from alerts.message import AlertPhase
from alerts.sink import BusyError, TimedOutError, TooLargeError, UnclearError
from alerts.sinks.notify.options import NotifyOptions
from alerts.sinks.notify.sink import NotifySink
from config.errors import DeliveryError
from servers.ports import free_port
from servers.services import Answer, Service, mail, ntfy, telegram

REST = {"ntfy": "topic", "ntfys": "topic", "json": "", "mailto": "?from=a@b.cd&to=e@f.gh"}
"""Of a URL, behind the host."""

TOKEN = "123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOpp"


@pytest.fixture
def phone() -> Iterator[Service]:
    with ntfy() as service:
        yield service


def notify(url: str, **options: Any) -> NotifySink:
    made = NotifySink("phone", NotifyOptions.model_validate({"url": url, **options}))
    made.start()
    return made


def ntfy_url(phone: Service) -> str:
    return f"ntfy://u5er:s3cret@127.0.0.1:{phone.port}/t0pic-key"


def test_a_phone_gets_title_text_picture_and_priority(phone: Service) -> None:
    notify(ntfy_url(phone)).deliver(make_alert(image=PICTURE, score=0.9))
    (told,) = phone.took
    assert told.title == "Violence: gate (yard)"
    assert re.fullmatch(r"gate \(yard\), north gate: \d\d:\d\d:\d\d, score 0.90", told.text)
    assert told.picture == PICTURE
    assert told.priority == "high"


@pytest.mark.parametrize(
    ("stated", "link", "click"),
    [
        ("", "https://box/incident/1?ask=mute", "https://box/incident/1?ask=mute"),
        ("?click=https://own.example", "https://box/", "https://own.example"),
        ("", "https://box/camera/%EC%A0%95%EB%AC%B8", None),
    ],
)
def test_who_taps_on_a_phones_message_sees_the_incident(
    phone: Service, stated: str, link: str, click: str | None
) -> None:
    made = notify(ntfy_url(phone) + stated)
    made.deliver(make_alert(score=0.9, links={"console": link}))
    made.deliver(make_alert(score=0.9, links={"console": link}, image=PICTURE))
    assert [told.click for told in phone.took] == [click, click]
    assert [told.priority for told in phone.took] == ["high", "high"]
    assert all(link in told.text for told in phone.took)
    made.deliver(make_alert())  # the one before leaves nothing behind
    assert phone.took[-1].click == (click if stated else None)


def test_a_chat_gets_text_and_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    with telegram() as chat:
        monkeypatch.setattr(NotifyTelegram, "notify_url", f"http://127.0.0.1:{chat.port}/bot")
        made = notify(f"tgram://{TOKEN}/42")
        alert = make_alert(image=PICTURE)
        made.deliver(alert)
        made.deliver(follow_up(alert, AlertPhase.CLOSED, 1))
    assert [told.picture for told in chat.took if told.picture] == [PICTURE]
    opened = "".join(told.text for told in chat.took[:-1])
    assert "Violence: gate (yard)" in opened
    assert "score 0.90" in opened
    assert "Over: gate (yard)" in chat.took[-1].text
    assert chat.took[-1].priority == "True"  # without a sound
    assert not any("getUpdates" in path for path in chat.paths)


def test_a_mailbox_gets_subject_text_and_picture() -> None:
    with mail() as box:
        url = f"mailto://127.0.0.1:{box.port}/?from=box@example.com&to=guard@example.com"
        notify(url, language="ko").deliver(make_alert(image=PICTURE))
    (told,) = box.took
    assert told.title == "폭력 감지: gate (yard)"
    assert "점수 0.90" in told.text
    assert told.picture == PICTURE


def test_without_the_picture_where_it_is_not_wanted(phone: Service) -> None:
    notify(ntfy_url(phone), image=False).deliver(make_alert(image=PICTURE))
    assert phone.took[0].picture is None


CONNECTION = {302, 401, 403, 404, 405, 407, 410, 429}
UNCLEAR = {408, 425, 500, 502, 503, 507}
WITHOUT_PICTURE = {400, 413, 414, 415, 422, 431}


@pytest.mark.parametrize("status", sorted(CONNECTION | UNCLEAR | WITHOUT_PICTURE))
def test_what_is_answered_is_sorted_and_shows_no_secret(phone: Service, status: int) -> None:
    phone.answer = lambda _: Answer(status, body=b'{"code": 40013, "error": "s3cret t0pic-key"}')
    with pytest.raises(DeliveryError, match=f"ntfy answered HTTP {status}") as raised:
        notify(ntfy_url(phone)).deliver(make_alert(image=PICTURE))
    kinds = {DeliveryError: CONNECTION, UnclearError: UNCLEAR, TooLargeError: WITHOUT_PICTURE}
    assert status in kinds[raised.type]
    assert "s3cret" not in str(raised.value)
    assert "t0pic" not in str(raised.value)
    assert len(phone.paths) == 1  # no second try, and no redirect followed


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_that_says_how_long_to_wait_is_heard(phone: Service, status: int) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    made = notify(ntfy_url(phone))
    for retry_after, least_s, most_s in (("7", 7, 7), (soon, 20, 30)):
        phone.answer = lambda _, after=retry_after: Answer(status, after)  # type: ignore[misc]
        with pytest.raises(BusyError) as raised:
            made.deliver(make_alert())
        assert least_s <= raised.value.after_s <= most_s


def test_telegram_says_it_in_its_body(monkeypatch: pytest.MonkeyPatch) -> None:
    with telegram() as chat:
        monkeypatch.setattr(NotifyTelegram, "notify_url", f"http://127.0.0.1:{chat.port}/bot")
        chat.answer = lambda _: Answer(429, body=b'{"ok": false, "parameters": {"retry_after": 9}}')
        with pytest.raises(BusyError) as raised:
            notify(f"tgram://{TOKEN}/42").deliver(make_alert(image=PICTURE))
    assert raised.value.after_s == 9


@pytest.mark.parametrize(
    ("reply", "kind"),
    [(552, TooLargeError), (554, TooLargeError), (451, UnclearError), (421, UnclearError)],
)
def test_what_a_mail_server_replies_is_sorted(reply: int, kind: type[DeliveryError]) -> None:
    with mail() as box:
        box.answer = lambda _: Answer(reply)
        url = f"mailto://127.0.0.1:{box.port}/?from=box@example.com&to=guard@example.com"
        with pytest.raises(DeliveryError, match=f"E-Mail: .* {reply}") as raised:
            notify(url).deliver(make_alert(image=PICTURE))
    assert raised.type is kind


@contextmanager
def answering(
    answer: bytes | None, *, drips: bool = False, speaks_first: bool = False
) -> Iterator[int]:
    """A port where each connection is answered with `answer`; None: not at all."""
    ended = threading.Event()
    made: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                made.append(connection)
                if answer is not None and not drips:
                    if not speaks_first:
                        connection.recv(65536)
                    connection.sendall(answer)
                    connection.close()
                while drips and not ended.wait(0.05):
                    connection.sendall(b"H")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in made:
                connection.close()


@pytest.mark.parametrize("scheme", ["ntfy", "json", "mailto"])
@pytest.mark.parametrize("drips", [False, True])
def test_what_answers_nothing_or_a_byte_now_and_then_is_given_up(scheme: str, drips: bool) -> None:
    with answering(None, drips=drips) as port:
        made = notify(f"{scheme}://127.0.0.1:{port}/{REST[scheme]}", timeout_s=0.3)
        with pytest.raises(TimedOutError, match=r"time|within 0\.3 s"):
            made.deliver(make_alert())
        if scheme != "mailto":  # whose thread ends with the server's last byte
            assert made._service is not None
            assert made._service._attempt is not None
            assert not made._service._attempt.is_alive()


@pytest.mark.parametrize(
    ("scheme", "answer", "kind", "what"),
    [
        ("ntfy", b"220 not HTTP\r\n", DeliveryError, "does not answer in HTTP"),
        ("ntfys", b"220 not TLS\r\n", DeliveryError, "no TLS"),
        ("ntfy", b"", UnclearError, "hung up"),
        ("mailto", b"HTTP/1.1 200 OK\r\n\r\n", DeliveryError, "check host and port"),
        ("mailto", b"", UnclearError, "hung up"),
    ],
)
def test_what_is_no_such_service_is_said(
    scheme: str, answer: bytes, kind: type[DeliveryError], what: str
) -> None:
    speaks_first = scheme == "mailto"
    with answering(answer, speaks_first=speaks_first) as port:
        made = notify(f"{scheme}://127.0.0.1:{port}/{REST[scheme]}")
        with pytest.raises(DeliveryError, match=what) as raised:
            made.deliver(make_alert())
    assert raised.type is kind


@pytest.mark.parametrize("scheme", ["ntfy", "mailto"])
def test_where_nobody_listens_it_is_said(scheme: str) -> None:
    with pytest.raises(DeliveryError, match="Connection refused") as raised:
        notify(f"{scheme}://127.0.0.1:{free_port()}/{REST[scheme]}").deliver(make_alert())
    assert raised.type is DeliveryError


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("nowhere://k3y-k3y/x", "names no service that Apprise knows"),
        ("tgram://k3y-k3y", "names no service that Apprise knows, or lacks a part"),
        ("ntfy://127.0.0.1/k3y-k3y/k3y-2", "names 2 receivers"),
    ],
)
def test_a_url_that_apprise_cannot_use_is_said_without_it(url: str, what: str) -> None:
    (problem,) = NotifyOptions.model_validate({"url": url}).problems()
    assert problem.key == ("url",)
    assert what in problem.text
    assert "k3y" not in problem.text
    with pytest.raises(DeliveryError, match=what) as raised:
        notify(url)
    assert "k3y" not in str(raised.value)


def test_what_is_no_url_is_refused_before_apprise_is_asked() -> None:
    with pytest.raises(ValidationError, match="is no url"):
        NotifyOptions.model_validate({"url": "ntfy.sh/topic"})


def test_the_url_can_turn_a_failure_into_no_success(phone: Service) -> None:
    phone.answer = lambda _: Answer(500)
    with pytest.raises(UnclearError):
        notify(f"{ntfy_url(phone)}?optional=yes&retry=3&wait=60").deliver(make_alert())
    assert len(phone.paths) == 1


def test_what_apprise_logs_reaches_no_log(phone: Service) -> None:
    records: list[logging.LogRecord] = []
    root = logging.getLogger()
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    root.addHandler(handler)
    phone.answer = lambda _: Answer(500)
    try:
        with pytest.raises(UnclearError):
            notify(ntfy_url(phone)).deliver(make_alert())
    finally:
        root.removeHandler(handler)
    assert [record for record in records if record.name == "apprise"] == []


def test_a_drill_says_that_it_is_one_and_that_the_picture_stays_behind(
    dispatching: Dispatching, phone: Service
) -> None:
    dispatcher = dispatching(
        sink("notify", url=ntfy_url(phone)),
        sink("notify", "sms", url=f"gotify://127.0.0.1:{phone.port}/{'A' * 15}"),
    )
    drill = make_alert(exercise=True, image=PICTURE)
    dispatcher.submit(drill)
    wait_for(lambda: len(phone.took) == 2)
    assert {told.title for told in phone.took} == {"[EXERCISE] Violence: gate (yard)"}
    wait_for(
        lambda: all(
            one.state == "delivered"
            for one in dispatcher.deliveries(
                drill.incident_id,
            )
        )
    )
    first, second = dispatcher.deliveries(drill.incident_id)
    assert first.remark is None
    assert second.remark == "without the picture, which Apprise does not send to Gotify"
