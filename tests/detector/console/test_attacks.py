"""What somebody may try against the console who should not be able to."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from detector.console.access.throttle import MAX_DELAY_S, MAX_WAIT_S, Throttle
from detector.console.access.user import Role
from detector.console.app import MAX_BODY_BYTES, pages
from detector.console.pages import login
from servers.console import HASHES, PASSWORDS, TOKENS, Browser, Console

OpenConsole = Callable[..., Console]

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
ROUTES = [
    (method, route.path, route.role, route.public)
    for route in pages()
    for method in sorted(route.methods or ())
]
"""Of the real router, so that a new one is tried, too."""

PROGRAMS = {"/metrics", "/livez", "/healthz", "/static/{path:path}"}
WITHOUT_LOGIN = {"/login", "/language"}
ACCOUNT = {Role.VIEWER: "vera", Role.OPERATOR: "otto", Role.ADMIN: "anna"}


def filled(path: str) -> str:
    """With something in place of each parameter."""
    values = {"uuid": "0190c2a4-0000-7000-8000-000000000000", "int": "1", "path": "x"}
    return re.sub(r"{\w+(?::(\w+))?}", lambda found: values.get(found[1], "gate"), path)


def test_what_needs_no_login_is_what_we_think() -> None:
    assert {path for _, path, role, _ in ROUTES if role is None} == PROGRAMS | WITHOUT_LOGIN
    assert {path for _, path, _, public in ROUTES if public} == PROGRAMS


@pytest.mark.parametrize(
    ("method", "path", "role"), [one[:3] for one in ROUTES if one[2] is not None]
)
def test_nobody_gets_beyond_his_role(console: Console, method: str, path: str, role: Role) -> None:
    nobody = console.browser()
    assert nobody.request(method, filled(path)).status_code in {303, 401}
    by_program = nobody.request(method, filled(path), headers={"Accept": "*/*"})
    assert by_program.status_code == 401
    for below in Role:
        if below >= role:
            continue
        browser = console.browser()
        browser.log_in(ACCOUNT[below])
        headers = {"X-CSRF-Token": browser.csrf()}
        assert browser.request(method, filled(path), headers=headers).status_code == 403
        token = {"Authorization": f"Bearer {TOKENS[below.name.lower()]}"}
        assert nobody.request(method, filled(path), headers=token).status_code == 403
    assert console.monitor.asked == []


@pytest.mark.parametrize(("method", "path"), [one[:2] for one in ROUTES if one[0] in UNSAFE])
def test_a_page_of_somebody_else_changes_nothing(console: Console, method: str, path: str) -> None:
    browser, other = console.browser(), console.browser()
    browser.log_in("anna")
    other.log_in("anna")
    console.monitor.audited.clear()
    url, own = filled(path), browser.csrf()
    right = {"X-CSRF-Token": own}
    attempts: list[dict[str, Any]] = [
        {},
        {"data": {"csrf": ""}},
        {"data": {"csrf": "x"}},
        {"data": {"csrf": other.csrf()}},
        {"json": {"csrf": own}},
        {"content": f"csrf={own}", "headers": {"Content-Type": "text/plain"}},
        {"headers": {"X-CSRF-Token": other.csrf()}},
        {"headers": {"X-CSRF-Token": console.browser().csrf()}},
        {"headers": {**right, "Origin": "https://evil.example"}},
        {"headers": {**right, "Origin": "http://127.0.0.1:9999"}},
        {"headers": {**right, "Origin": "null"}},
        {"headers": {**right, "Sec-Fetch-Site": "cross-site"}},
        {"headers": {**right, "Sec-Fetch-Site": "same-site"}},
        {"params": {"csrf": own}},
    ]
    for attempt in attempts:
        assert browser.request(method, url, **attempt).status_code == 403, attempt
    assert console.monitor.asked == []
    assert console.monitor.audited == []


@pytest.mark.parametrize("how", ["data", "files", "header"])
def test_a_form_of_ours_does(console: Console, how: str) -> None:
    browser = console.browser()
    browser.log_in("vera")
    csrf = browser.csrf()
    headers = {"Origin": "http://127.0.0.1:8780", "Sec-Fetch-Site": "same-origin"}
    more: dict[str, Any] = {"data": {"csrf": csrf}}
    if how == "files":
        more = {"files": {"csrf": (None, csrf)}}
    if how == "header":
        more, headers["X-CSRF-Token"] = {}, csrf
    assert browser.post("/logout", headers=headers, **more).status_code == 303


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8780",
        "127.0.0.1.evil.example",
        "",
        "a@127.0.0.1",
        "[::1",
        "x/",
    ],
)
def test_another_name_is_not_answered(console: Console, host: str) -> None:
    browser = console.browser()
    for page in ("/", "/login", "/nothing"):
        answer = browser.get(page, headers={"Host": host})
        assert answer.status_code == 400
        assert "http.host_names" in answer.text


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost:8780", "[::1]:8780", "192.0.2.9:1", "JIKIMI.example", "Localhost."],
)
def test_addresses_and_stated_names_are(open_console: OpenConsole, host: str) -> None:
    console = open_console(host_names=["jikimi.example"])
    assert console.browser().get("/login", headers={"Host": host}).status_code == 200


def test_behind_a_proxy_of_another_name_forms_work(open_console: OpenConsole) -> None:
    console = open_console(host_names=["jikimi.example"])
    browser = console.browser()
    headers = {"Host": "10.0.0.5:8780", "Origin": "https://jikimi.example"}
    fields = {"name": "vera", "password": PASSWORDS["vera"], "csrf": browser.csrf()}
    assert browser.post("/login", data=fields, headers=headers).status_code == 303


@pytest.mark.parametrize(
    "path",
    [
        "../__init__.py",
        "..%2f__init__.py",
        "%2e%2e/__init__.py",
        "..%5c__init__.py",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "console.css%00",
        "console.css/..%2f..%2fapp.py",
        ".",
        "",
    ],
)
def test_no_file_beside_the_static_ones_is_served(console: Console, path: str) -> None:
    answer = console.browser().get(f"/static/{path}")
    assert answer.status_code in {404, 303}
    assert "import" not in answer.text
    assert "root:" not in answer.text


def test_too_much_is_not_read(console: Console) -> None:
    browser = console.browser()
    browser.log_in("vera")
    csrf = browser.csrf()
    too_much = "x" * MAX_BODY_BYTES

    def unannounced() -> Any:
        yield f"csrf={csrf}&x=".encode()
        yield too_much.encode()

    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert browser.post("/logout", data={"csrf": csrf, "x": too_much}).status_code == 413
    assert browser.post("/logout", content=unannounced(), headers=form).status_code == 413
    assert browser.get("/login").status_code == 303  # still logged in
    many = "&".join(f"a{number}=" for number in range(5000))
    assert browser.post("/logout", content=f"csrf={csrf}&{many}", headers=form).status_code < 500


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
        "/x\r\nSet-Cookie: a=b",
        "/\\/evil.example",
        " //evil.example",
    ],
)
def test_nothing_leads_elsewhere(console: Console, target: str) -> None:
    browser = console.browser()
    sent = {"language": "ko", "next": target, "csrf": browser.csrf()}
    assert browser.post("/language", data=sent).headers["Location"] == "/"
    assert browser.log_in("vera", next=target).headers["Location"] == "/"
    assert browser.get("/login", params={"next": target}).headers["Location"] == "/"


def test_a_page_of_ours_is_come_back_to(console: Console) -> None:
    browser = console.browser()
    back = browser.get("/audit?before=x").headers["Location"]
    assert back == "/login?next=%2Faudit%3Fbefore%3Dx"
    assert 'name="next" value="/audit?before=x"' in browser.get(back).text
    assert browser.log_in("anna", next="/audit?before=x").headers["Location"] == "/audit?before=x"


def test_every_answer_tells_browsers_what_not_to_do(console: Console) -> None:
    browser = console.browser()
    browser.log_in("anna")
    for page in ("/login", "/nothing", "/audit", "/metrics", "/static/console.css"):
        headers = browser.get(page).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == ("no-cache" if "static" in page else "no-store")
        assert headers["Referrer-Policy"] == "same-origin"
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


def test_guessing_gets_slower_and_the_right_person_gets_in(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[float] = []

    async def sleep(seconds: float) -> None:
        delays.append(seconds)

    monkeypatch.setattr(login.asyncio, "sleep", sleep)
    attacker = console.browser("203.0.113.9")
    csrf = attacker.csrf()

    def guess(**more: str) -> int:
        fields = {"name": "anna", "password": "guess", "csrf": csrf, **more}
        answer = attacker.post("/login", data=fields)
        if answer.status_code == 429:
            assert int(answer.headers["Retry-After"]) >= 1
        return answer.status_code

    assert [guess() for _ in range(6)] == [403] * 5 + [429]
    assert guess(password=PASSWORDS["anna"]) == 429  # not even then
    tried = 5
    for _ in range(80):
        console.now_s[0] += 10.0
        tried += guess() == 403
    assert tried <= 16
    assert max(delays) <= MAX_DELAY_S
    # somebody else, meanwhile, waits a little
    owner = console.browser("192.0.2.77")
    assert owner.log_in("anna").status_code == 303
    assert delays[-1] <= MAX_DELAY_S
    console.now_s[0] += MAX_WAIT_S + 1
    assert guess(password=PASSWORDS["anna"]) == 303


def test_many_addresses_slow_an_account_and_nobody_else() -> None:
    throttle = Throttle(lambda: 0.0)
    for number in range(100):
        throttle.attempt("anna", f"203.0.113.{number}")
        throttle.attempt("otto", f"2001:db8::{number}")
    assert throttle.delay_s("anna") == MAX_DELAY_S
    assert throttle.delay_s("vera") == 0.0
    assert throttle.wait_s("203.0.113.1") == 0.0
    assert throttle.wait_s("2001:db8::ffff") > 60  # all of one network
    assert throttle.wait_s("2001:db8:1::1") == 0.0


def test_an_unknown_name_takes_the_same_work_as_a_wrong_password(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def is_password(password: str, hashed: str) -> bool:
        checked.append(hashed)
        return True  # even then a name that nobody has does not get in

    monkeypatch.setattr("detector.console.access.accounts.is_password", is_password)
    browser = console.browser()
    assert browser.log_in("nobody", "x").status_code == 403
    assert len(checked) == 1
    assert checked[0] in HASHES.values()


def test_what_is_typed_in_shows_up_in_no_log(
    open_console: OpenConsole, capfd: pytest.CaptureFixture[str]
) -> None:
    console = open_console()
    secrets = [*PASSWORDS.values(), *TOKENS.values(), "mistyped-secret", *HASHES.values()]
    with capture_logs() as logs:
        browser = console.browser()
        browser.log_in("anna", "mistyped-secret")
        browser.log_in("mistyped-secret", "mistyped-secret")
        browser.log_in("anna")
        link = console.links.make()
        browser.get(f"/login?link={link}")
        for token in TOKENS.values():
            browser.get("/audit", headers={"Authorization": f"Bearer {token}"})
    out, err = capfd.readouterr()
    told = f"{logs} {console.monitor.audited} {out} {err}"
    assert not [secret for secret in [*secrets, link] if secret in told]


def test_pages_have_no_script_or_style_of_their_own() -> None:
    templates = Path(login.__file__).parent.with_name("templates")
    for page in templates.glob("**/*.html"):
        text = page.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), page.name
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|https?://", text), page.name
        assert "|safe" not in text.replace(" ", ""), page.name


def test_a_script_in_what_is_shown_is_only_text(console: Console) -> None:
    browser = console.browser()
    page = browser.get("/login", params={"next": '/"><script>alert(1)</script>'}).text
    assert "<script>alert" not in page
    page = browser.get('/nothing?"><script>alert(1)</script>').text
    assert "<script>alert" not in page


def test_whatever_is_sent_no_page_fails(console: Console) -> None:
    browser = Browser(console.app, "192.0.2.1")
    browser.log_in("anna")
    for before in (
        "",
        "x",
        ",",
        "2026-01-01,x",
        "9999-12-31T23:59:59,",
        "0001-01-01T00:00:00+23:59",
    ):
        assert browser.get("/audit", params={"before": before}).status_code == 400
    for headers in (
        {"Cookie": "=;;jikimi-session-8780=\xff"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic eDp4"},
        {"Content-Type": "multipart/form-data"},
        {"Accept-Language": ";;;,,,q=\x7f"},
    ):
        sent = {key: value.encode("latin1") for key, value in headers.items()}
        assert browser.get("/audit", headers=sent).status_code < 500
        assert browser.post("/logout", headers=sent, content=b"\xff").status_code < 500
