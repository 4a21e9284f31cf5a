"""A secret in every option of every model, as somebody may paste it there: it is shown nowhere."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bad_values import stated_everywhere, written
from pydantic import SecretStr

from alerts import registry
from alerts.registry import sink_options
from config import secrets
from config.errors import ConfigError
from config.load import load_settings
from config.urls import StreamUrl
from detector.cli import check as check_command
from detector.cli import machine

Run = Callable[..., tuple[int, str, str]]

CANARY = "Kan4ry9x7q"
IN_URLS = [
    f"rtsp://viewer:{CANARY}@192.0.2.1/s",
    f"rtsp://{CANARY}@192.0.2.1/s",
    f"http://192.0.2.1/s?channel=1&sid={CANARY}",
    f"http://192.0.2.1/s?new-key={CANARY}",
    f"http://192.0.2.1/s?{CANARY}",
    f"http://192.0.2.1/s?channel=1#{CANARY}",
    f"http://192.0.2.1/s;v={CANARY}?channel=1",
    f"http://192.0.2.1/s%3Ftoken%3D{CANARY}",
    f"http://192.0.2.1/s%253Ftoken%253D{CANARY}",
    f"http://192.0.2.1/s?channel=1%26token%3D{CANARY}",
    f"http://192.0.2.1/viewer%3A{CANARY}%40h/s",
    f"http://192.0.2.1/rtsp://viewer:{CANARY}@h/s",
    f"http://192.0.2.1/user=admin_password={CANARY}_channel=1",
    f"mqtts://viewer:{CANARY}@192.0.2.1",
]
TEXTS = [CANARY, f"[{CANARY}]", f"{{a: {CANARY}}}", f"{{env: x {CANARY}}}"]
PATHS = ("url", "path", "state_dir", "weights", "ca", "certificate", "key", "command", "host")
"""What is the name of a file, program or machine is shown, to say that it is not there."""


OPTIONS = sink_options()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sinks and shipped weights are looked up and checked once, not a thousand times."""
    monkeypatch.setattr(secrets, "_known", ())
    monkeypatch.setattr(registry, "sink_options", lambda: OPTIONS)
    real = machine.check_weights
    monkeypatch.setattr(
        machine, "check_weights", lambda weights, engine: weights and real(weights, engine)
    )
    looks = machine.check_second_look
    monkeypatch.setattr(machine, "check_second_look", lambda weights: weights and looks(weights))


Check = Callable[[Path], tuple[int, str]]


@pytest.fixture
def checked(capsys: pytest.CaptureFixture[str]) -> Check:
    """What `jikimi check` prints, and its exit code."""

    def check(path: Path) -> tuple[int, str]:
        code = check_command._check(Namespace(file=path, schema=False))
        return code, "".join(capsys.readouterr())

    return check


def leaks(checked: Check, path: Path, document: dict[str, Any]) -> str:
    """What shows the canary, of all that `check` and a failing load say of `document`."""
    secrets._known = ()  # what the last one made known would hide it here
    path.write_text(written(document))
    code, printed = checked(path)
    assert code in {0, 2}
    said = [printed]
    secrets._known = ()
    try:
        settings = load_settings(path, {}, [], OPTIONS)
    except ConfigError as error:
        said += [str(error), repr(error)]
    else:
        said += [repr(settings.cameras[0].url), str(settings.cameras[0].url)]
    return "".join(text for text in said if CANARY in text)


FAST = (IN_URLS[0], IN_URLS[4], TEXTS[0])
"""Each value is tried in every option, which takes a second: these do for `make check`."""


def cases(values: list[str]) -> list[Any]:
    return [one if one in FAST else pytest.param(one, marks=pytest.mark.slow) for one in values]


@pytest.mark.parametrize("url", cases(IN_URLS))
def test_a_url_in_every_option(url: str, checked: Check, tmp_path: Path) -> None:
    for key, _, document in stated_everywhere(OPTIONS, f"'{url}'"):
        assert leaks(checked, tmp_path / "site.yaml", document) == "", ".".join(key)


@pytest.mark.parametrize("value", cases(TEXTS))
def test_a_password_in_every_option(value: str, checked: Check, tmp_path: Path) -> None:
    for key, _, document in stated_everywhere(OPTIONS, value):
        if key[-1] not in PATHS:
            assert leaks(checked, tmp_path / "site.yaml", document) == "", ".".join(key)


def test_what_is_stated_as_a_secret_is_scrubbed_and_no_representation_shows_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "site.yaml"
    found = 0
    urls = stated_everywhere(OPTIONS, f"https://h/x/{CANARY}")
    texts = stated_everywhere(OPTIONS, CANARY)
    signing = f"whsec_{CANARY * 4}"
    keys = stated_everywhere(OPTIONS, signing)
    for key, kinds, document in [*urls, *texts, *keys]:
        if not kinds & {SecretStr, StreamUrl} or key[-1] == "user":
            continue
        if (key[-1] == "signing_secret") != (signing in written(document)):
            continue
        if (key[-1] == "url") != (f"https://h/x/{CANARY}" in written(document)):
            continue
        secrets._known = ()
        if key[-1] == "password" and key[0] == "sinks":
            document["sinks"]["it"]["username"] = "jikimi"
        if StreamUrl in kinds:
            document["cameras"]["gate"]["url"] = f"http://{CANARY}@h/s?{CANARY}"
        if key[0] == "journal":
            document["journal"]["url"] = f"postgresql://jikimi:{CANARY}@h/jikimi"
        path.write_text(written(document))
        settings = load_settings(path, {}, [], OPTIONS)
        found += 1
        for text in (repr(settings), str(settings), repr(settings.model_dump())):
            assert CANARY not in text, key
        assert CANARY not in settings.model_dump_json(), key
        stated = signing if key[-1] == "signing_secret" else CANARY
        assert CANARY not in secrets.scrub(f"failed: {stated}"), key
    assert found >= 6  # camera, MQTT, webhook


def test_a_key_with_a_password_is_not_repeated(checked: Check, tmp_path: Path) -> None:
    for name in (f"rtsp://u:{CANARY}@h/s", f"u:{CANARY}@h"):
        assert leaks(checked, tmp_path / "site.yaml", {name: "1"}) == ""


@pytest.mark.parametrize("command", ["probe", "plan"])
@pytest.mark.parametrize("url", [IN_URLS[0], IN_URLS[1], IN_URLS[3]])
def test_commands_that_fail_do_not_repeat_it(command: str, url: str, run: Run) -> None:
    for given in (url.replace("192.0.2.1", "127.0.0.1:1"), url.replace("://", ":/"), f"x{url}"):
        code, out, err = run(command, given)
        assert code
        assert CANARY not in out + err
