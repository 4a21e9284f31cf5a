"""Settings from file, environment and command line."""

import re
import shutil
from collections.abc import Mapping
from datetime import time
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel, SecretStr

from config.errors import ConfigError
from config.load import load_settings
from config.schema import settings_schema
from config.secrets import scrub
from config.settings import (
    AccountSettings,
    CameraSettings,
    CaptureSettings,
    DetectionSettings,
    EvidenceSettings,
    Hours,
    HttpSettings,
    Location,
    LogSettings,
    RouteSettings,
    Settings,
    SinkSettings,
    TokenSettings,
)

Options = Mapping[str, type[BaseModel]]


def write(folder: Path, text: str) -> Path:
    path = folder / "site.yaml"
    path.write_text(text, "utf-8")
    return path


def urls(settings: Settings) -> dict[str, str]:
    return {camera.name: camera.url.url for camera in settings.cameras}


def test_nothing_stated_is_the_defaults(sink_options: Options) -> None:
    settings = load_settings(None, {}, [], sink_options)
    assert settings == Settings()
    assert settings.http.port == 8780


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "cameras:\nsinks:\nsite:\n"])
def test_an_empty_file_is_the_defaults(text: str, tmp_path: Path, sink_options: Options) -> None:
    assert load_settings(write(tmp_path, text), {}, [], sink_options) == Settings()


def test_cameras_of_the_environment_alone_are_enough(sink_options: Options) -> None:
    environ = {"JIKIMI_CAMERAS": "gate=rtsp://u:p@ss/w@h1/s?x=1  rtsp://h2/s\nyard=rtsp://h3/s"}
    assert urls(load_settings(None, environ, [], sink_options)) == {
        "gate": "rtsp://u:p%40ss%2Fw@h1/s?x=1",
        "camera-2": "rtsp://h2/s",
        "yard": "rtsp://h3/s",
    }


def test_cameras_add_up_and_the_same_name_replaces_the_address(
    tmp_path: Path, sink_options: Options
) -> None:
    path = write(
        tmp_path,
        "cameras:\n"
        "  gate: {url: rtsp://h1/, user: u, password: hunter22, station: north}\n"
        "  camera-1: rtsp://h2/\n",
    )
    settings = load_settings(
        path,
        {"JIKIMI_CAMERAS": "rtsp://h3/ yard=rtsp://h4/"},
        ["gate=rtsp://h5/", "yard=rtsp://h6/", "rtsp://h7/"],
        sink_options,
    )
    assert urls(settings) == {
        "gate": "rtsp://h5/",  # without the password that was for h1
        "camera-1": "rtsp://h2/",
        "camera-2": "rtsp://h3/",  # camera-1 was taken
        "yard": "rtsp://h6/",
        "camera-5": "rtsp://h7/",
    }
    assert settings.cameras[0].station == "north"


def test_what_is_stated_later_wins(tmp_path: Path, sink_options: Options) -> None:
    path = write(
        tmp_path,
        "site: north\n"
        "http: {port: 1000, host: 0.0.0.0}\n"
        "sinks:\n"
        "  police-station: {type: mqtt, host: a, port: 1}\n",
    )
    environ = {
        "JIKIMI_SITE": "south",
        "JIKIMI_HTTP__PORT": "2000",
        "JIKIMI_LOG__LEVEL": "debug",
        "JIKIMI_SINKS__POLICE_STATION__HOST": "b",
        "JIKIMI_SINKS__POLICE_STATION__ROUTE__LABELS": "[violence, fire]",
        "JIKIMI_STATION": "",  # as containers pass on what nobody gave
        "PATH": "/bin",
    }
    settings = load_settings(path, environ, [], sink_options)
    assert settings.site == "south"
    assert (settings.http.host, settings.http.port) == ("0.0.0.0", 2000)
    assert settings.log.level == "debug"
    assert settings.station is None
    (police,) = settings.sinks
    assert police.name == "police-station"
    assert police.options.model_dump(include={"host", "port"}) == {"host": "b", "port": 1}
    assert police.route.labels == ["violence", "fire"]


def test_what_kubernetes_puts_there_is_no_mistake(sink_options: Options) -> None:
    environ = {
        "JIKIMI_SERVICE_HOST": "10.0.0.1",
        "JIKIMI_SERVICE_PORT_METRICS": "8780",
        "JIKIMI_PORT": "tcp://10.0.0.1:8780",
        "JIKIMI_PORT_8780_TCP_ADDR": "10.0.0.1",
    }
    assert load_settings(None, environ, [], sink_options) == Settings()


def test_a_camera_has_the_general_settings_with_its_own_over_them(
    tmp_path: Path, sink_options: Options
) -> None:
    path = write(
        tmp_path,
        "site: north\n"
        "station: first\n"
        "capture: {transport: udp, read_timeout_s: 3}\n"
        "detection: {open_threshold: 0.8, watch: [[[0, 0], [1, 0], [1, 1]]]}\n"
        "cameras:\n"
        "  gate: rtsp://h1/\n"
        "  yard:\n"
        "    url: rtsp://h2/\n"
        "    site: south\n"
        "    capture: {read_timeout_s: 7}\n"
        "    detection: {close_threshold: 0.5}\n",
    )
    gate, yard = load_settings(path, {}, [], sink_options).cameras
    assert (gate.site, gate.station, yard.site, yard.station) == (
        "north",
        "first",
        "south",
        "first",
    )
    assert gate.capture == CaptureSettings(transport="udp", read_timeout_s=3)
    assert yard.capture == CaptureSettings(transport="udp", read_timeout_s=7)
    assert (yard.detection.open_threshold, yard.detection.close_threshold) == (0.8, 0.5)
    assert yard.detection.watch == gate.detection.watch == [[(0, 0), (1, 0), (1, 1)]]


@pytest.mark.parametrize(
    ("general", "own", "looked"),
    [
        ("", "", False),
        ("second_look: on", "", True),
        ("second_look: on", "second_look: off", False),
    ],
)
def test_a_rendered_camera_is_judged_by_motion_alone_unless_stated(
    tmp_path: Path, sink_options: Options, general: str, own: str, looked: bool
) -> None:
    path = write(
        tmp_path,
        f"detection: {{{general}}}\n"
        "cameras:\n"
        f"  drawn: {{url: 'pattern://scuffle', detection: {{{own}}}}}\n"
        "  real: rtsp://h1/\n",
    )
    drawn, real = load_settings(path, {}, [], sink_options).cameras
    assert drawn.detection.second_look is looked
    assert real.detection.second_look


def test_secrets_from_files_variables_and_credentials(
    tmp_path: Path, sink_options: Options
) -> None:
    (tmp_path / "gate").write_text("p@ss/wörd#1\n", "utf-8")
    (tmp_path / "yard").write_text("rtsp://u:yard@secret@h2/s\n")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/broker").write_text("0123456\n")
    path = write(
        tmp_path,
        "cameras:\n"
        "  gate: {url: rtsp://h1/s, user: viewer, password: {file: gate}}\n"
        "  yard: {file: yard}\n"
        "sinks:\n"
        "  police: {type: mqtt, host: b, username: u, password: {credential: broker}}\n"
        "  hook:\n"
        "    type: webhook\n"
        "    url: {env: JIKIMI_HOOK}\n"
        "    headers: {Authorization: Bearer plain-token}\n",
    )
    environ = {
        "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"),
        "JIKIMI_HOOK": "https://hooks.example/T0/secret-path",  # no setting: the file refers to it
    }
    settings = load_settings(path, environ, [], sink_options)
    assert urls(settings) == {
        "gate": "rtsp://viewer:p%40ss%2Fw%C3%B6rd%231@h1/s",
        "yard": "rtsp://u:yard%40secret@h2/s",
    }
    police, hook = (sink.options.model_dump() for sink in settings.sinks)
    assert police["password"] == SecretStr("0123456")  # text, not a number in octal
    assert hook["url"] == SecretStr("https://hooks.example/T0/secret-path")
    for secret in ("p@ss/wörd#1", "yard@secret", "0123456", "secret-path", "plain-token"):
        assert secret not in repr(settings)
        assert secret not in scrub(f"{urls(settings)} {police} {environ} Bearer plain-token")


def test_plain_passwords_are_kept_out_of_logs(tmp_path: Path, sink_options: Options) -> None:
    path = write(
        tmp_path,
        "cameras:\n  gate: {url: rtsp://h/, user: u, password: camera-pw}\n"
        "sinks:\n  police: {type: mqtt, host: b, username: u, password: broker-pw}\n"
        "  hook: {type: webhook, url: https://hooks.example/T0/path-pw}\n",
    )
    load_settings(path, {"JIKIMI_CAMERAS": "yard=rtsp://u:yard-pw@h/"}, [], sink_options)
    assert scrub("camera-pw broker-pw yard-pw") == "*** *** ***"
    assert "path-pw" not in scrub("failed: https://hooks.example/T0/path-pw")


def test_names_and_passwords_that_yaml_would_reinterpret(
    tmp_path: Path, sink_options: Options
) -> None:
    path = write(
        tmp_path,
        "station: 'null'\n"
        "cameras:\n  on: rtsp://h/\n  1: {url: rtsp://h/, user: no, password: 0012}\n",
    )
    settings = load_settings(path, {}, [], sink_options)
    assert settings.station == "null"
    assert urls(settings) == {
        "on": "rtsp://h/",
        "1": "rtsp://no:0012@h/",
    }


def test_paths_in_the_file_start_from_its_folder(tmp_path: Path, sink_options: Options) -> None:
    (tmp_path / "ca.pem").write_text("-")
    path = write(
        tmp_path,
        "state_dir: state\nweights: /srv/weights.json\n"
        "cameras: {clip: clips/a.mp4}\n"
        "sinks: {police: {type: mqtt, host: b, tls: {ca: ca.pem}}}\n",
    )
    settings = load_settings(path, {}, ["other=b.mp4"], sink_options)
    assert settings.state_dir == tmp_path / "state"
    assert settings.weights == Path("/srv/weights.json")
    assert urls(settings) == {"clip": str(tmp_path / "clips/a.mp4"), "other": "b.mp4"}
    assert settings.sinks[0].options.model_dump()["tls"]["ca"] == tmp_path / "ca.pem"
    with pytest.raises(ConfigError, match=r"sinks.police.tls.ca: is no file that is there"):
        load_settings(path, {"JIKIMI_SINKS__POLICE__TLS__CA": "no.pem"}, [], sink_options)


def test_hours_and_darkness(tmp_path: Path, sink_options: Options) -> None:
    path = write(
        tmp_path,
        "sinks:\n"
        "  a: {type: floodlight, pin: 17, route: {hours: 22:00-6:30, when: dark}}\n"
        "  b: {type: floodlight, pin: 18, route: {hours: {start: 22:00, end: 06:30}}}\n",
    )
    a, b = load_settings(path, {}, [], sink_options).sinks
    hours = Hours(start=time(22), end=time(6, 30))
    assert a.route == RouteSettings(hours=hours, when="dark")
    assert b.route == RouteSettings(hours=hours)


def test_equal_input_gives_equal_settings(
    examples: Path, tmp_path: Path, sink_options: Options
) -> None:
    path = tmp_path / "minimal.yaml"
    shutil.copy(examples / "minimal.yaml", path)
    before = load_settings(path, {}, [], sink_options)
    assert load_settings(path, {}, [], sink_options) == before
    path.write_text(path.read_text() + "  attic: rtsp://192.0.2.12/s\n")
    after = load_settings(path, {}, [], sink_options)
    assert after != before
    assert after.cameras[:-1] == before.cameras


def test_the_examples_load_as_they_ship(examples: Path) -> None:
    from alerts.registry import sink_options  # the examples are to fit the real sinks

    minimal = load_settings(examples / "minimal.yaml", {}, [], sink_options())
    assert [camera.name for camera in minimal.cameras] == ["gate", "yard"]

    city = load_settings(examples / "city.yaml", {}, [], sink_options())
    assert [camera.name for camera in city.cameras] == ["plaza", "north-gate", "harbour", "lobby"]
    assert {sink.type for sink in city.sinks} == {"log", "mqtt", "webhook", "siren", "floodlight"}
    assert city.cameras[1].location.text.startswith("서울")


def test_city_shows_every_key(examples: Path) -> None:
    from alerts.registry import sink_options

    text = (examples / "city.yaml").read_text("utf-8")
    general, cameras, sinks = re.split("(?m)^(?:cameras|sinks):\n", text)
    for model in (
        Settings,
        CaptureSettings,
        DetectionSettings,
        EvidenceSettings,
        HttpSettings,
        AccountSettings,
        TokenSettings,
        LogSettings,
    ):
        for key in set(model.model_fields) - {"open_threshold", "watch", "ignore"}:
            assert re.search(rf"(?m)^\s*(# *)?{key}:", text), f"{model.__name__}.{key}"
    for model in (CameraSettings, Location, DetectionSettings):
        for key in set(model.model_fields) - {"name"}:
            assert re.search(rf"\b{key}:", general + cameras), f"{model.__name__}.{key}"
    for key in {*RouteSettings.model_fields, *SinkSettings.model_fields} - {"name", "options"}:
        assert re.search(rf"\b{key}:", sinks), key
    for kind, options in sink_options().items():
        (block,) = (part for part in sinks.split("\n\n") if f"type: {kind}" in part)
        for key in options.model_fields:
            assert re.search(rf"\b{key}\b", block), f"{kind}: {key}"


@pytest.mark.parametrize(
    ("text", "within_s", "then"),
    [
        ("operator", 60.0, "send"),
        ("{by: operator, within_s: 90, then: drop}", 90.0, "drop"),
        ("{within_s: 120}", 120.0, "send"),
    ],
)
def test_a_sink_waits_for_an_operator_in_a_word_or_as_stated(
    tmp_path: Path, text: str, within_s: float, then: str
) -> None:
    from alerts.registry import sink_options

    path = tmp_path / "jikimi.yaml"
    path.write_text(f"sinks: {{log: {{type: log, confirm: {text}}}}}")
    [log] = load_settings(path, {}, [], sink_options()).sinks
    assert log.confirm is not None
    assert (log.confirm.within_s, log.confirm.then) == (within_s, then)
    schema = Draft202012Validator(settings_schema(sink_options()))
    assert schema.is_valid(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("police", r"can confirm \(got police\); write confirm: operator"),
        ("yes", "names nobody who can confirm"),
        ("{within_s: 7200}", "3600"),
        ("{within_s: 0}", "0"),
        ("{then: wait}", "send"),
        ("{after: 5}", "after"),
    ],
)
def test_a_wrong_confirm_is_refused_with_what_to_write(
    tmp_path: Path, text: str, said: str
) -> None:
    from alerts.registry import sink_options

    path = tmp_path / "jikimi.yaml"
    path.write_text(f"sinks: {{log: {{type: log, confirm: {text}}}}}")
    with pytest.raises(ConfigError, match=said) as refused:
        load_settings(path, {}, [], sink_options())
    assert "sinks.log.confirm" in str(refused.value)
    schema = Draft202012Validator(settings_schema(sink_options()))
    assert not schema.is_valid(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("text", ["evidence: off", "evidence: {enabled: no}"])
def test_evidence_is_switched_off_in_a_word(tmp_path: Path, text: str) -> None:
    path = tmp_path / "jikimi.yaml"
    path.write_text(text)
    assert not load_settings(path, {}, [], {}).evidence.enabled
    schema = Draft202012Validator(settings_schema({}))
    assert schema.is_valid(yaml.safe_load(text))
    assert not schema.is_valid({"evidence": "sometimes"})
