"""`jikimi console` and `jikimi password`."""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.load import load_settings
from detector.cli.console import command
from detector.cli.status import summary
from detector.console.access.passwords import hash_password, hash_token, is_password

Run = Callable[..., tuple[int, str, str]]
Serve = Callable[..., Path]


class Typed(io.StringIO):
    """What somebody types at a terminal."""

    def isatty(self) -> bool:
        return True


def configuration(folder: Path, line: str) -> Path:
    path = folder / "site.yaml"
    path.write_text(f"cameras: {{gate: rtsp://192.0.2.1/s}}\nhttp:\n  {line}\n")
    return path


def test_the_address_is_the_daemons(run: Run, serve: Serve) -> None:
    serve(console=lambda _: {"url": "http://127.0.0.1:8780/login?link=x"})
    assert run("console") == (0, "http://127.0.0.1:8780/login?link=x\n", "")


def test_a_piped_password_becomes_a_hash_that_the_configuration_takes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse\nmore"))
    code, out, err = run("password")
    assert (code, err) == (0, "")
    path = configuration(tmp_path, f'accounts: {{kim: {{password: "{out.strip()}"}}}}')
    hashed = load_settings(path, {}, [], {}).http.accounts["kim"].password.get_secret_value()
    assert hashed.startswith("$argon2id$")
    assert is_password("correct horse", hashed)
    assert not is_password("correct hors", hashed)
    assert "correct horse" not in out


def test_hangul_is_the_same_however_it_is_composed() -> None:
    typed = "비밀번호입니다"
    hashed = hash_password(unicodedata.normalize("NFC", typed))
    assert is_password(unicodedata.normalize("NFD", typed), hashed)


@pytest.mark.parametrize(
    ("typed", "code", "says"),
    [
        (["long enough", "long enough"], 0, ""),
        (["long enough", "long enouhg"], 64, "not the same"),
        (["short"], 64, "at least 8 characters"),
    ],
)
def test_a_password_is_asked_for_twice(
    run: Run, monkeypatch: pytest.MonkeyPatch, typed: list[str], code: int, says: str
) -> None:
    answers = iter(typed)
    monkeypatch.setattr(sys, "stdin", Typed())
    monkeypatch.setattr(command, "getpass", lambda _: next(answers))
    found, out, err = run("password")
    assert found == code
    assert says in err
    assert bool(out) == (code == 0)
    assert not [one for one in typed if one in out + err]


def test_a_token_and_its_hash_belong_together(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("password", "--token")
    made = dict(line.split() for line in out.splitlines())
    assert code == 0
    assert made["sha256"] == hash_token(made["token"])
    assert len(made["token"]) > 40
    path = configuration(tmp_path, f"tokens: {{board: {{sha256: {made['sha256']}}}}}")
    assert load_settings(path, {}, [], {}).http.tokens["board"].role == "viewer"
    assert run("password", "--token")[1] != out


def test_a_hash_is_shown_nowhere(run: Run, tmp_path: Path) -> None:
    hashed = hash_password("correct horse")
    path = configuration(tmp_path, f'accounts: {{kim: {{password: "{hashed}"}}}}')
    settings = load_settings(path, {}, [], {})
    assert hashed not in f"{settings!r} {settings.model_dump_json()}"
    path.write_text(path.read_text().replace("password:", "passwort:"))
    assert hashed not in "".join(map(str, run("check", path)))


@pytest.mark.parametrize(
    ("page", "shows"),
    [
        ("http://127.0.0.1:8780/login?link=0123456789012345678901", "/login?link="),
        ("", "closed: http.accounts has nobody"),
        (None, "metrics"),
    ],
)
def test_a_summary_ends_with_the_page(page: str | None, shows: str) -> None:
    status: dict[str, Any] = json.loads(STATUS)
    if page is not None:
        status["page"] = page
    lines = summary(status).splitlines()
    assert max(map(len, lines)) <= 80
    assert shows in "\n".join(lines)
    assert lines[-1].startswith("  page" if page is not None else "  state")
    assert lines[-1].endswith(page or "")


STATUS = """{
  "version": "1", "cameras": [{"name": "gate", "state": "live", "url": "rtsp://192.0.2.1/",
  "reason": "", "calibration": {}}], "sinks": [], "silences": [], "url": "http://127.0.0.1:8780",
  "model": {"name": "tiny", "engine": "litert"}, "state_dir": "/var/lib/jikimi"
}"""
