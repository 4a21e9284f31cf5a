"""Who is let in, for how long, and what he is let do."""

from __future__ import annotations

import errno
import html
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import damage
import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from structlog.testing import capture_logs

from config.settings import AccountSettings, TokenSettings
from detector.console import app as application
from detector.console.access.key_file import KEY_FILE
from detector.console.access.passwords import hash_token
from detector.console.access.sessions import IDLE_S, LONGEST_S
from detector.console.access.user import Role
from detector.console.routing import GuardedRoute
from servers.console import HASHES, HOST, PASSWORDS, TOKENS, Browser, Console

OpenConsole = Callable[..., Console]


async def whoami(request: Request) -> Response:
    user = request.scope["user"]
    seen = [camera for camera in ("gate", "quay", "plaza", "gone") if user.sees(camera)]
    return JSONResponse({"name": user.name, "role": user.role.name, "sees": seen})


async def touch(request: Request) -> Response:
    async with request.form() as form:
        return JSONResponse({"note": form.get("note")})


async def broken(request: Request) -> Response:
    raise ValueError("rtsp://user:hunter2@camera")


async def stream(request: Request) -> Response:
    """Logs itself out while it is being sent."""
    access, session = request.app.state.access, request.scope["session"]

    def parts() -> Iterator[bytes]:
        yield b"before"
        access.sessions.end(session)
        yield b"after"
        yield b"long after"

    return StreamingResponse(parts())


@pytest.fixture(autouse=True)
def test_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some beside the real ones."""
    real = application.pages
    more = [
        GuardedRoute("/api/whoami", whoami, role=Role.VIEWER),
        GuardedRoute("/api/touch", touch, role=Role.OPERATOR, methods=("POST",)),
        GuardedRoute("/broken", broken, role=Role.VIEWER),
        GuardedRoute("/stream", stream, role=Role.VIEWER),
    ]
    monkeypatch.setattr(application, "pages", lambda: [*real(), *more])


def name_of(browser: Browser) -> str | None:
    answer = browser.get("/api/whoami", headers={"Accept": "application/json"})
    return answer.json()["name"] if answer.status_code == 200 else None


def session_cookie(browser: Browser) -> str | None:
    return browser.cookies.get("jikimi-session-8780")


def test_who_knows_the_password_is_let_in(console: Console) -> None:
    browser = console.browser()
    assert browser.get("/api/whoami").headers["Location"] == "/login?next=%2Fapi%2Fwhoami"
    answer = browser.log_in("otto")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    found = browser.get("/api/whoami").json()
    assert (found["name"], found["role"]) == ("otto", "OPERATOR")
    assert console.monitor.audited == [("otto", "login", "192.0.2.1", "")]


def test_who_comes_by_a_link_is_back_at_it_after_the_login(open_console: OpenConsole) -> None:
    console = open_console(public_url="https://jikimi.example")
    browser = console.browser()
    asked = "/incident/0190a8c0-0000-7000-8000-000000000000?ask=confirm"
    there = browser.get(f"https://jikimi.example{asked}")
    login = there.headers["Location"]
    assert login.startswith("/login?next=")
    back = html.unescape(re.findall(r'name="next" value="(/inc.*?)"', browser.get(login).text)[0])
    assert browser.log_in("otto", next=back).headers["Location"] == asked
    assert browser.get("https://jikimi.invalid/").status_code == 400


@pytest.mark.parametrize(
    ("name", "password"),
    [("otto", "wrong"), ("otto", ""), ("nobody", PASSWORDS["otto"]), ("", ""), ("OTTO", "x")],
)
def test_nobody_else_is(console: Console, name: str, password: str) -> None:
    browser = console.browser()
    answer = browser.post(
        "/login", data={"name": name, "password": password, "csrf": browser.csrf()}
    )
    assert answer.status_code == 403
    assert "do not belong together" in answer.text
    assert name_of(browser) is None
    who = "otto" if name == "otto" else "unknown"  # the rest may be a password
    assert console.monitor.audited == [(who, "login failed", "192.0.2.1", "")]


def test_every_login_is_another_session(console: Console) -> None:
    browser = console.browser()
    browser.plant("session", "planted")
    browser.plant("visitor", "p" * 22)
    browser.log_in("otto")
    first = session_cookie(browser)
    assert first not in {None, "planted"}
    again = console.browser()
    again.log_in("otto")
    assert session_cookie(again) != first
    csrf = browser.csrf("/audit")
    browser.log_in("otto", csrf=csrf)
    assert session_cookie(browser) != first
    assert browser.csrf("/audit") != csrf
    stolen = console.browser()
    stolen.plant("session", str(first))
    assert name_of(stolen) is None


def test_what_was_signed_by_others_is_no_session(console: Console) -> None:
    browser = console.browser()
    browser.log_in("vera")
    cookie = str(session_cookie(browser))
    for forged in (cookie[:-2] + "xx", "x" + cookie, cookie.partition(".")[0], "."):
        thief = console.browser()
        thief.plant("session", forged)
        assert name_of(thief) is None


def test_logging_out_ends_it_for_every_copy_of_the_cookie_and_over_a_restart(
    console: Console,
) -> None:
    browser = console.browser()
    browser.log_in("vera")
    copy = console.browser()
    copy.plant("session", str(session_cookie(browser)))
    assert name_of(copy) == "vera"
    assert browser.post("/logout", data={"csrf": browser.csrf()}).status_code == 303
    assert session_cookie(browser) is None
    assert name_of(copy) is None
    console.restart()
    later = console.browser()
    later.cookies = copy.cookies
    assert name_of(later) is None
    assert ("vera", "logout", "192.0.2.1", "") in console.monitor.audited


def test_a_restart_ends_no_session(console: Console) -> None:
    browser = console.browser()
    browser.log_in("vera")
    console.restart()
    later = console.browser()
    later.cookies = browser.cookies
    assert name_of(later) == "vera"


def test_a_session_ends_when_nobody_uses_it_and_after_a_week(console: Console) -> None:
    browser = console.browser()
    browser.log_in("vera")
    console.now_s[0] -= 3600  # the clock is set back
    assert name_of(browser) == "vera"
    console.now_s[0] += 3600
    for _ in range(int(LONGEST_S / (IDLE_S - 1))):
        console.now_s[0] += IDLE_S - 1
        assert name_of(browser) == "vera"
    console.now_s[0] += IDLE_S - 1
    assert name_of(browser) is None
    browser.log_in("vera")
    console.now_s[0] += IDLE_S + 1
    assert name_of(browser) is None


def test_a_changed_password_or_a_removed_account_ends_its_sessions(console: Console) -> None:
    vera, otto, anna = console.browser(), console.browser(), console.browser()
    for browser, name in ((vera, "vera"), (otto, "otto"), (anna, "anna")):
        browser.log_in(name)
    hashed = SecretStr(HASHES["anna"])
    console.reload(
        accounts={
            "vera": AccountSettings(password=hashed),
            "anna": AccountSettings(password=hashed, role="viewer"),
        }
    )
    assert (name_of(vera), name_of(otto), name_of(anna)) == (None, None, "anna")
    assert anna.get("/audit").status_code == 403  # a viewer now


@pytest.mark.parametrize("harm", ["", "{}", '{"key": "00", "ended": {}}', "[" * 100_000])
def test_a_damaged_key_is_made_anew(console: Console, harm: str) -> None:
    browser = console.browser()
    browser.log_in("vera")
    file = console.folder / KEY_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text(harm)
    console.restart()
    later = console.browser()
    later.cookies = browser.cookies
    assert name_of(later) is None
    later.log_in("vera")
    assert name_of(later) == "vera"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(json.loads(file.read_text())["key"]) == 64


@pytest.mark.parametrize(
    "harm",
    [
        damage.directory,
        damage.fifo,
        damage.link_to_nowhere,
        damage.garbage,
        damage.huge,
        damage.half,
    ],
)
def test_whatever_stands_in_the_place_of_the_key_people_log_in_again(
    console: Console, harm: Callable[[Path], None]
) -> None:
    file = console.folder / KEY_FILE
    harm(file)
    console.restart()
    assert stat.S_ISREG(file.lstat().st_mode)
    browser = console.browser()
    browser.log_in("vera")
    console.restart()
    later = console.browser()
    later.cookies = browser.cookies
    assert name_of(later) == "vera"


def test_where_the_key_cannot_be_kept_memory_must_do(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    browser, copy = console.browser(), console.browser()
    browser.log_in("vera")
    copy.plant("session", str(session_cookie(browser)))
    monkeypatch.setattr(os, "fsync", full)
    with capture_logs() as logs:
        assert browser.post("/logout", data={"csrf": browser.csrf()}).status_code == 303
    assert name_of(copy) is None
    (line,) = logs
    assert "in memory only" in line["event"]
    assert line["reason"] == "No space left on device"


def test_cookies_are_for_this_server_alone(open_console: OpenConsole) -> None:
    console = open_console(trusted_proxies=["192.0.2.1"])
    plain, by_proxy, liar = (
        console.browser("203.0.113.1"),
        console.browser("192.0.2.1"),
        console.browser("203.0.113.1"),
    )
    for browser in (by_proxy, liar):
        browser.headers["X-Forwarded-Proto"] = "https"
        browser.headers["X-Forwarded-For"] = "198.51.100.7"
    for browser in (plain, liar):
        cookie = browser.log_in("otto").headers["Set-Cookie"]
        assert cookie.startswith("jikimi-session-8780=")
        assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    by_proxy.base_url = HOST.replace("http:", "https:")  # else the cookie would not come back
    cookie = by_proxy.log_in("otto").headers["Set-Cookie"]
    assert cookie.startswith("__Host-jikimi-session-8780=")
    assert "Secure" in cookie.split("; ")
    assert {entry[2] for entry in console.monitor.audited} == {"203.0.113.1", "198.51.100.7"}


def test_programs_that_watch_the_daemon_get_no_cookies(console: Console) -> None:
    browser = console.browser()
    browser.log_in("otto")
    console.now_s[0] += 3600
    for page in ("/metrics", "/livez", "/healthz", "/static/console.css"):
        answer = browser.get(page, headers={"Host": "prometheus-asks-by-any-name"})
        assert (answer.status_code, answer.headers.get("Set-Cookie")) == (200, None)
    assert "Set-Cookie" in browser.get("/api/whoami").headers


def test_a_token_is_as_good_as_its_role_and_needs_no_csrf(console: Console) -> None:
    program = console.browser()
    program.headers = {"Authorization": f"Bearer {TOKENS['operator']}"}
    assert program.get("/api/whoami").json()["name"] == "token operator"
    assert program.post("/api/touch", data={"note": "x"}).json() == {"note": "x"}
    assert "Set-Cookie" not in program.get("/api/whoami").headers
    assert program.get("/audit").status_code == 403
    for wrong in ("jikimi_other", "", TOKENS["viewer"] + "x"):
        answer = program.get("/api/whoami", headers={"Authorization": f"Bearer {wrong}"})
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "token" in answer.json()["detail"]


def test_a_token_in_the_address_is_none(console: Console) -> None:
    program = console.browser()
    for key in ("token", "access_token", "authorization", "link"):
        answer = program.get(f"/api/whoami?{key}={TOKENS['admin']}")
        assert answer.status_code == 303  # to the page to log in


@pytest.mark.parametrize(
    ("limits", "sees"),
    [
        ({}, ["gate", "quay", "plaza", "gone"]),
        ({"sites": ["harbour"]}, ["gate", "quay"]),
        ({"cameras": ["gate", "gone"]}, ["gate", "gone"]),
        ({"sites": ["harbour"], "cameras": ["gate", "plaza"]}, ["gate"]),
    ],
)
def test_an_account_sees_its_cameras(
    console: Console, limits: dict[str, list[str]], sees: list[str]
) -> None:
    hashed = SecretStr(HASHES["anna"])
    token = SecretStr(hash_token("limited"))
    console.reload(
        accounts={"anna": AccountSettings(password=hashed, role="admin", **limits)},
        tokens={"one": TokenSettings(sha256=token, role="viewer", **limits)},
    )
    browser = console.browser()
    browser.log_in("anna")
    assert browser.get("/api/whoami").json()["sees"] == sees
    by_token = {"Authorization": "Bearer limited"}
    assert console.browser().get("/api/whoami", headers=by_token).json()["sees"] == sees
    # the audit names every camera
    assert browser.get("/audit").status_code == (403 if limits else 200)


def test_an_answer_that_lasts_ends_with_its_session(console: Console) -> None:
    browser = console.browser()
    browser.log_in("vera")
    assert browser.get("/stream").content == b"before"


def test_an_error_is_told_without_its_cause(console: Console) -> None:
    browser = console.browser()
    browser.log_in("vera")
    with capture_logs() as logs:
        answer = browser.get("/broken?secret=hunter3")
    assert answer.status_code == 500
    assert "Its log says why" in answer.text
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    (line,) = logs
    assert (line["event"], line["path"]) == ("http request failed", "/broken")
    assert "hunter3" not in str(line)


class TestBeyondThisMachine:
    """Without accounts the pages are closed, and what Prometheus asks for is not."""

    @pytest.fixture
    def console(self, open_console: OpenConsole) -> Console:
        return open_console(is_local=False, accounts={}, tokens={})

    def test_pages_say_what_to_do(self, console: Console) -> None:
        browser = console.browser()
        for page in ("/", "/login", "/audit", "/nothing"):
            answer = browser.get(page)
            assert answer.status_code == 403
            assert "jikimi password" in answer.text
            assert "http.accounts" in answer.text
        link = console.links.make()
        assert browser.get(f"/login?link={link}").status_code == 403
        assert session_cookie(browser) is None
        for page in ("/metrics", "/livez", "/healthz"):
            assert browser.get(page).status_code == 200

    def test_accounts_open_them_at_a_reload(self, console: Console) -> None:
        console.reload()
        browser = console.browser()
        browser.log_in("vera")
        assert name_of(browser) == "vera"


class TestOneTimeLink:
    """On this machine, without accounts."""

    @pytest.fixture
    def console(self, open_console: OpenConsole) -> Console:
        return open_console(accounts={}, tokens={})

    def test_lets_in_who_opens_it_first_and_leaves_the_address(self, console: Console) -> None:
        browser, second = console.browser(), console.browser()
        link = f"/login?link={console.links.make()}"
        assert browser.head(link).status_code == 200  # as of a preview: uses nothing up
        answer = browser.get(link)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        found = browser.get("/api/whoami").json()
        assert (found["name"], found["role"]) == ("local admin", "ADMIN")
        assert second.get(link).headers["Location"] == "/login?over"
        assert "has been used" in second.get("/login?over").text
        assert name_of(second) is None
        assert console.monitor.audited == [("local admin", "login", "192.0.2.1", "")]

    def test_is_good_for_ten_minutes(self, console: Console) -> None:
        now_s = [0.0]
        console.links._clock = lambda: now_s[0]
        link = f"/login?link={console.links.make()}"
        now_s[0] = 601.0
        browser = console.browser()
        browser.get(link)
        assert name_of(browser) is None

    def test_its_session_ends_once_there_are_accounts(self, console: Console) -> None:
        browser = console.browser()
        browser.get(f"/login?link={console.links.make()}")
        assert name_of(browser) == "local admin"
        console.reload()
        assert name_of(browser) is None
        browser.get(f"/login?link={console.links.make()}")
        assert name_of(browser) is None

    def test_without_one_the_page_says_where_to_get_it(self, console: Console) -> None:
        assert "jikimi console" in console.browser().get("/login").text
