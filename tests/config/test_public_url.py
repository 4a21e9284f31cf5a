"""The address under which people reach the console."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.load import load_settings
from config.secrets import scrub
from config.settings import Settings

PASSWORD = "hunter2hunter2"


def loaded(tmp_path: Path, url: str) -> Settings:
    path = tmp_path / "site.yaml"
    path.write_text(f"http: {{public_url: '{url}'}}\n")
    return load_settings(path, {}, [], {})


@pytest.mark.parametrize(
    ("stated", "url", "name"),
    [
        ("https://jikimi.example", "https://jikimi.example", "jikimi.example"),
        ("https://jikimi.example/", "https://jikimi.example", "jikimi.example"),
        ("http://192.0.2.10:8780", "http://192.0.2.10:8780", "192.0.2.10"),
        ("https://[2001:db8::5]:8780", "https://[2001:db8::5]:8780", "2001:db8::5"),
        (f"https://{'h' * 60}:65535", f"https://{'h' * 60}:65535", "h" * 60),
        ("https://지킴이.example", "https://xn--hu5b15bu0j.example", "xn--hu5b15bu0j.example"),
    ],
)
def test_it_is_one_of_the_names_under_which_the_console_answers(
    tmp_path: Path, stated: str, url: str, name: str
) -> None:
    http = loaded(tmp_path, stated).http
    assert http.public_url == url
    assert http.names == [name]
    assert Settings().http.names == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("jikimi.example", "does not begin with https:// or http://"),
        ("rtsp://jikimi.example", "does not begin with https:// or http://"),
        ("https://", "has no good host or port"),
        ("https://h:0", "has no good host or port"),
        ("https://h:99999", "has no good host or port"),
        ("https://a b", "has no good host or port"),
        ("https://[::1", "has no good host or port"),
        ("https://h/jikimi", "holds a path, but the console is served at the root alone"),
        ("https://h?a=b", "holds a path"),
        ("https://h/#now", "holds a path"),
        (f"https://kim:{PASSWORD}@h", "holds a user or password, which everybody told would see"),
        (f"https://kim:{PASSWORD}/x@h:99999", "has no good host or port"),
    ],
)
def test_what_is_none_is_refused_and_not_shown(tmp_path: Path, url: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, url)
    text = str(raised.value)
    assert f"1: http.public_url: {says}" in text
    assert "https://jikimi.example" in text
    assert PASSWORD not in text


def test_a_password_in_it_is_masked_from_then_on(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        loaded(tmp_path, "https://kim:0nly-h3re@h")
    assert "0nly-h3re" not in scrub("GET https://kim:0nly-h3re@h")
