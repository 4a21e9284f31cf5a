"""Every wrong file in wrong/ gives exactly the one line that stands for it in expected.txt."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import BaseModel

from config.errors import ConfigError
from config.load import load_settings

WRONG = Path(__file__).parent / "wrong"
EXPECTED = (WRONG / "expected.txt").read_text("utf-8").splitlines()
PASSWORD = "hunter22secret"  # in every wrong file that has one


def test_every_wrong_file_has_its_line() -> None:
    assert sorted(path.name for path in WRONG.glob("*.yaml")) == sorted(
        line.partition(":")[0] for line in EXPECTED
    )
    assert len(EXPECTED) >= 30


@pytest.mark.parametrize("line", EXPECTED, ids=lambda line: line.partition(".")[0])
def test_one_line_names_file_line_key_and_remedy(
    line: str, sink_options: Mapping[str, type[BaseModel]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(WRONG)
    name = line.partition(":")[0]
    with pytest.raises(ConfigError) as caught:
        load_settings(Path(name), {}, [], sink_options)
    assert str(caught.value) == line
    assert caught.value.exit_code == 2
    assert PASSWORD not in line
    # what is wrong; what to do (a text that is no mapping has no key)
    key = "" if name == "only_text.yaml" else r" [^:]+:"
    assert re.fullmatch(rf"{re.escape(name)}:\d+:{key} [^;]+; .+", line)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(
    tmp_path: Path, sink_options: Mapping[str, type[BaseModel]]
) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(
        "sinks:\n  light: {type: floodlght}\nhttp:\n  prot: 1\ncameras:\n  gate: {}\n"
        "log: {level: loud}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_settings(path, {"JIKIMI_HTTP__PORT": "x"}, [], sink_options)
    lines = str(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        f"{path}:2",
        f"{path}:4",
        f"{path}:6",
        f"{path}:7",
        "JIKIMI_HTTP__PORT",
    ]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "does not exist; check the path"),
        (lambda path: path.mkdir(), "is a folder; name the file in it"),
        (lambda path: path.write_text("a: \0"), "holds a control character; remove it"),
    ],
    ids=["missing", "folder", "control character"],
)
def test_a_file_that_is_none(
    make: object, says: str, tmp_path: Path, sink_options: Mapping[str, type[BaseModel]]
) -> None:
    assert callable(make)
    path = tmp_path / "site.yaml"
    make(path)
    with pytest.raises(ConfigError) as caught:
        load_settings(path, {}, [], sink_options)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).endswith(says)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "cameras", "line"),
    [
        (
            {"JIKIMI_HTTP_PORT": "1"},
            [],
            "JIKIMI_HTTP_PORT: http_port: is no setting; did you mean JIKIMI_HTTP__PORT?",
        ),
        (
            {"JIKIMI_HTTP__PORT": "many"},
            [],
            (
                "JIKIMI_HTTP__PORT: http.port: must be a whole number (got many); "
                "give a port number, e.g. 8780"
            ),
        ),
        (
            {"JIKIMI_CAMERA": "rtsp://u:hunter22secret@h"},
            [],
            "JIKIMI_CAMERA: camera: is no setting; did you mean JIKIMI_CAMERAS?",
        ),
        (
            {"JIKIMI_CAMERAS": "gate=rtsp://h1/ gate=rtsp://h2/"},
            [],
            "JIKIMI_CAMERAS: cameras.gate: is given twice; give each camera its own name",
        ),
        (
            {},
            ["gate=rtps://u:hunter22secret@h/"],
            (
                "command line: cameras.gate.url: rtps:// is not understood; did you mean rtsp? "
                "use one of rtsp, rtsps, http, https, rtmp, file, device, pattern, or a file's path"
            ),
        ),
    ],
)
def test_environment_and_command_line_are_named_instead_of_a_line(
    environ: Mapping[str, str],
    cameras: list[str],
    line: str,
    sink_options: Mapping[str, type[BaseModel]],
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(None, environ, cameras, sink_options)
    assert str(caught.value) == line


def test_a_secret_in_the_wrong_place_is_not_quoted(
    tmp_path: Path, sink_options: Mapping[str, type[BaseModel]]
) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(
        "cameras:\n"
        "  gate:\n"
        "    url: rtsp://u:hunter22secret@h/s\n"
        "    capture: {transport: hunter22secret}\n"
        "sinks:\n"
        "  police: {type: mqtt, host: h, username: u, password: [hunter22secret]}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_settings(path, {}, [], sink_options)
    assert "hunter22secret" not in str(caught.value)
    assert str(caught.value).count("\n") == 1
