"""Whatever stands in a configuration: settings, or one line for what is wrong. Never a traceback.

That none takes a second is seen by the time-out of this file: many thousand are tried.
"""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from bad_values import Document, Key, written, wrong_documents

from alerts.registry import sink_options
from config.errors import ConfigError
from config.load import TOLD, load_settings
from config.settings import Settings

pytestmark = pytest.mark.timeout(60)

OPTIONS = sink_options()  # looked up once: 10 ms each time

CORPUS: dict[Key, list[Document]] = {
    key: [document for _, document in documents]
    for key, documents in itertools.groupby(wrong_documents(OPTIONS), lambda one: one[0])
}
CAMERA = "cameras: {gate: 'rtsp://192.0.2.1/s'}\n"


def bomb(levels: int) -> str:
    """Each line repeats the one before nine times."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def deep_block(levels: int) -> str:
    return "".join(f"{' ' * n}a:\n" for n in range(levels))


WHOLE: dict[str, bytes | str] = {
    "alias bomb": bomb(9),
    "wide alias bomb": f"a: &a [{'x, ' * 9000}]\nb: [{'*a, ' * 9000}]\n",
    "deep brackets": "cameras: " + "[" * 5000 + "]" * 5000,
    "deep braces": "{a: " * 5000 + "}" * 5000,
    "deep blocks": deep_block(600),
    "deep dashes": "a:\n" + "- " * 3000 + "x\n",
    "open brackets": "a: " + "[" * 100_000,
    "20,000 unknown keys": CAMERA + "".join(f"key{n}: 1\n" for n in range(20_000)),
    "1,000 unknown keys": CAMERA + "".join(f"key{n}: 1\n" for n in range(1000)),
    "2,000 wrong cameras": "cameras:\n" + "".join(f"  c{n}: {{a: b}}\n" for n in range(2000)),
    "2,000 wrong sinks": CAMERA
    + "sinks:\n"
    + "".join(f"  s{n}: {{type: x}}\n" for n in range(2000)),
    "3,000 wrong corners": CAMERA + f"detection: {{watch: [[{'[a, b], ' * 3000}]]}}\n",
    "3,000 wrong routes": CAMERA
    + f"sinks: {{s: {{type: log, route: {{cameras: [{'x, ' * 3000}]}}}}}}\n",
    "a long key": CAMERA + "k" * 900 + ": 1\n",
    "a key with a control": CAMERA + '"a\\0b": 1\n',
    "a key with half a character": CAMERA + '"\\ud800": 1\n',
    "a key that is a list": CAMERA + "? [a, b]\n: 1\n",
    "a key that is a section": CAMERA + "? {a: b}\n: 1\n",
    "a key with a password": CAMERA + "rtsp://u:hunter22secret@h/s: 1\n",
    "an empty key": CAMERA + ": 1\n",
    "a camera that is a number's list": "cameras: {gate: [1, 2]}\n",
    "a camera's name with a slash": "cameras: {a/b: 'rtsp://h/s'}\n",
    "a merge key": f"x: &x {{port: 1}}\n{CAMERA}http: {{<<: *x}}\n",
    "twice": CAMERA + CAMERA,
    "itself": CAMERA + "http: &h {port: *h}\n",
    "no such alias": CAMERA + "http: {port: *nothing}\n",
    "Python object": CAMERA + "site: !!python/object/apply:os.system [ls]\n",
    "binary tag": CAMERA + "site: !!binary aGVsbG8=\n",
    "own tag": CAMERA + "site: !secret x\n",
    "UTF-16": (CAMERA + "site: x\n").encode("utf-16"),
    "Latin-1": "site: Straße\n".encode("latin-1"),
    "NUL": CAMERA + "site: a\0b\n",
    "noise": bytes(range(256)) * 30,
    "only NUL": b"\0" * 5000,
    "indented with a tab": "http:\n\tport: 1\n",
    "two documents": f"{CAMERA}---\n{CAMERA}",
    "another YAML": "%YAML 3.0\n---\n" + CAMERA,
    "a list": "- a\n- b\n",
    "a word": "cameras\n",
    "a number": "12\n",
    "a quote": CAMERA + "site: 'x\n",
    "a bracket": CAMERA + "site: [x\n",
    "an escape": CAMERA + 'site: "C:\\cam"\n',
    "half JSON": '{"cameras": {"gate": "rtsp://h/s"',
    "too large": "# " + "x" * 300_000 + "\n" + CAMERA,
    "cameras as text": "cameras: rtsp://h/s\n",
    "sinks as list": CAMERA + "sinks: [log]\n",
    "sinks in another's place": "cameras: {gate: {type: log}}\n",
}


def refused(load: Callable[[], Settings]) -> list[str]:
    """The lines by which a configuration is refused."""
    with pytest.raises(ConfigError) as caught:
        load()
    assert caught.value.exit_code == 2
    lines = str(caught.value).split("\n")
    assert all(line.isprintable() for line in lines)
    assert all(len(line) < 1500 for line in lines)
    assert "hunter22secret" not in str(caught.value)
    return lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "site.yaml"


def test_the_corpus_is_large() -> None:
    assert sum(map(len, CORPUS.values())) + len(WHOLE) >= 430
    assert {key[0] for key in CORPUS} == {*Settings.model_fields}


@pytest.mark.parametrize("key", CORPUS, ids=".".join)
def test_a_wrong_value_is_one_line_with_its_key(key: Key, path: Path) -> None:
    for document in CORPUS[key]:
        text = written(document)
        path.write_text(text)
        (line,) = refused(lambda: load_settings(path, {}, [], OPTIONS))
        number = line.removeprefix(f"{path}:").partition(":")[0]
        assert text.splitlines()[int(number) - 1].strip().startswith(f"{key[-1]}:"), line
        assert key[-1] in line.partition(": ")[2], line
        assert "; " in line or "did you mean" in line, line


@pytest.mark.parametrize("text", WHOLE.values(), ids=WHOLE)
def test_a_wrong_file_is_told_in_few_lines(text: bytes | str, path: Path) -> None:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    lines = refused(lambda: load_settings(path, {}, [], OPTIONS))
    assert len(lines) <= TOLD + 1
    assert all(line.startswith(str(path)) for line in lines)


@pytest.mark.parametrize(
    "what", ["pipe", "folder", "socket", "loop", "device", "absent", "no text"]
)
def test_what_is_no_file_is_neither_waited_for_nor_read(what: str, path: Path) -> None:
    device = Path("/dev/zero")
    match what:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path)
        case "device":
            path.symlink_to(device)
        case "no text":
            path.write_bytes(b"\xff")
        case "socket":
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(str(path))
    (line,) = refused(lambda: load_settings(path, {}, [], OPTIONS))
    assert line.startswith(str(path))
    secret = path.with_name("site-2.yaml")
    secret.write_text(
        f"cameras: {{gate: {{url: rtsp://h/s, user: u, password: {{file: {path.name}}}}}}}\n"
    )
    (line,) = refused(lambda: load_settings(secret, {}, [], OPTIONS))
    assert line.startswith(f"{secret}:1: cameras.gate.password: the file {path}")


def test_a_secret_is_no_large_file(path: Path) -> None:
    (path.parent / "secret").write_text("x" * 70_000)
    path.write_text("cameras: {gate: {url: rtsp://h/s, user: u, password: {file: secret}}}\n")
    (line,) = refused(lambda: load_settings(path, {}, [], OPTIONS))
    assert "secret is larger than 64 kB; name the right file" in line


@pytest.mark.parametrize(
    "environ",
    [
        {"JIKIMI_SITE": "[" * 3000 + "]" * 3000},
        {"JIKIMI_SITE": "{a: " * 3000},
        {"JIKIMI_DETECTION__WATCH": "[&a [x, x, x], " + "[*a, *a], " * 9000 + "]"},
        {"JIKIMI_SITE": "\udcff"},
        {"JIKIMI_STATION": "a\x1bb"},
        {"JIKIMI_HTTP__PORT": "9" * 5000},
        {f"JIKIMI_{'X' * 5000}": "x"},
        {"JIKIMI_WEIGHTS": "~nouser/x"},
        {"JIKIMI_STATE_DIR": " "},
        {"JIKIMI_CAMERAS": "gate=rtsp://h:" + "9" * 5000},
        {"JIKIMI_CAMERAS": "gate=\udcff"},
        {"JIKIMI_CAMERAS": " ".join(f"a{n}=x://{n}" for n in range(3000))},
        {"JIKIMI_CAMERAS__GATE__PASSWORD": "{file: /dev/zero}"},
        {"JIKIMI_SINKS__LOG": "{type: log, route: {hours: [1]}}"},
        {"JIKIMI_" + "__".join(["A"] * 2000): "1"},
        {f"JIKIMI_KEY{n}": "1" for n in range(3000)},
        {"JIKIMI_\udcff": "1"},
        {"JIKIMI_": "1"},
        {"JIKIMI____": "1"},
    ],
    ids=lambda environ: next(iter(environ))[:30].encode("ascii", "replace").decode(),
)
def test_wrong_variables(environ: Mapping[str, str]) -> None:
    lines = refused(lambda: load_settings(None, environ, [], OPTIONS))
    assert len(lines) <= TOLD + 1
    assert all(line.startswith("JIKIMI_") for line in lines)


FINE = {
    "a byte order mark": "\ufeff" + CAMERA,
    "Windows' line ends": CAMERA.replace("\n", "\r\n") + "site: harbour\r\n",
    "tabs between": "cameras:\t{gate:\t'rtsp://192.0.2.1/s'}\t# here\n",
    "tags that say nothing new": "site: !!str harbour\n" + CAMERA,
    "an alias": "cameras:\n  gate: &one {url: rtsp://h/s, station: north}\n  yard: *one\n",
    "dates and numbers as texts": "station: 2024-01-01\nsite: 12\n" + CAMERA,
    "a text of two lines": "station: |\n  Harbour\n  Police\n" + CAMERA,
}


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_what_is_unusual_and_right(text: str, path: Path) -> None:
    path.write_bytes(text.encode())
    assert load_settings(path, {}, [], OPTIONS).cameras


def test_names_are_no_references(path: Path) -> None:
    names = ["file", "env", "credential"]
    for name in names:
        path.write_text(
            f"cameras: {{{name}: rtsp://h/s}}\nsinks: {{{name}: {{type: webhook, "
            f"url: 'https://h/x', headers: {{{name}: JIKIMI_X}}, route: {{cameras: [{name}]}}}}}}\n"
        )
        settings = load_settings(path, {}, [], OPTIONS)
        assert [camera.name for camera in settings.cameras] == [name]
        assert [sink.name for sink in settings.sinks] == [name]
        assert settings.sinks[0].options.model_dump()["headers"].keys() == {name}
        (path.parent / "url").write_text("rtsp://192.0.2.7/s\n")
        path.write_text(f"cameras: {{{name}: {{file: url}}}}\n")
        settings = load_settings(path, {}, [], OPTIONS)
        assert settings.cameras[0].url.url == "rtsp://192.0.2.7/s"


@pytest.mark.parametrize(
    "piece",
    [
        *("x", ":", "http:"),
        *(pytest.param(more, marks=pytest.mark.slow) for more in ("%3a", "_", "a.", "key")),
        *(pytest.param(more, marks=pytest.mark.slow) for more in ("/a:", "&a=1b")),
    ],
)
@pytest.mark.timeout(10)
def test_a_long_text_that_is_nearly_a_url_takes_no_minute(piece: str, path: Path) -> None:
    for before in ("rtsp://u:p@h/", "rtsp://h/?", "rtsp://h/a?-=", ""):
        path.write_text(CAMERA + f"site: '{before}{piece * (60_000 // len(piece))}://'\n")
        refused(lambda: load_settings(path, {}, [], OPTIONS))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alias bomb", "deep brackets", "20,000 unknown keys", "NUL"])
def test_the_command_says_it_in_one_line(name: str, path: Path) -> None:
    text = WHOLE[name]
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    environ = {key: value for key, value in os.environ.items() if not key.startswith("JIKIMI_")}
    for command in ("check", "run"):
        option = ["--config"] if command == "run" else []
        done = subprocess.run(
            [sys.executable, "-m", "detector.cli", command, *option, str(path)],
            env=environ | {"JIKIMI_STATE_DIR": str(path.parent / "state")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert len((done.stderr + done.stdout).splitlines()) == 1
        assert "Traceback" not in done.stderr


HOMELESS = """
import pwd
def lost(*_): raise KeyError
pwd.getpwuid = pwd.getpwnam = lost
from config.settings import default_state_dir
print(default_state_dir())
from detector.cli import main
raise SystemExit(main())
"""


@pytest.mark.slow
def test_a_user_without_a_home(path: Path) -> None:
    """As in a container whose user has no entry in /etc/passwd."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    for text, code, says in (
        (CAMERA + f"state_dir: {path.parent}/state\n", 0, "good"),
        (CAMERA + "state_dir: ~/state\n", 2, "begins with ~, and there is no such home here"),
    ):
        path.write_text(text)
        done = subprocess.run(
            [sys.executable, "-c", HOMELESS, "check", path],
            env=environ,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, "Traceback" in done.stderr) == (code, False)
        assert says in done.stdout + done.stderr
