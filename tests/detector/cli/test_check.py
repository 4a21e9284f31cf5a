"""`jikimi check` finds before the start what would fail at the first alarm."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from alerts import registry
from alerts.sink import Problem
from alerts.sinks.log import LogSink
from alerts.sinks.relays import options as relay
from config.settings import Section
from detector.console.monitor import Zones
from detector.daemon.operators.zones import DrawnZones
from servers.mqtt import Tls

EXAMPLES = Path(__file__).parents[3] / "config/examples"
HARDWARE = "sinks.light.pin_factory: "

EXPIRED = """\
-----BEGIN CERTIFICATE-----
MIIBCzCBsgIBATAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAdleHBpcmVkMB4XDTI0
MDEwMTAwMDAwMFoXDTI0MDMwMTAwMDAwMFowEjEQMA4GA1UEAwwHZXhwaXJlZDBZ
MBMGByqGSM49AgEGCCqGSM49AwEHA0IABJfLeDnL1c8SBturiRCKTrzYYCp0Rv8g
aE6n5TgWk6gcCy/wdxfUlXxlCRed4gjeaB7TZaFw13cvmqrUjioMwNAwCgYIKoZI
zj0EAwIDSAAwRQIhAMLYdS9fi7b8ag3VSehQXiDChkWCnqYlkYkGf3joWHKWAiAB
0ck1B5A533niI04tvLXVv8vESDJFOlB1Y1VaWHX3Kg==
-----END CERTIFICATE-----
"""

Check = Callable[[str], tuple[int, list[str]]]


@pytest.fixture(autouse=True)
def _nothing_stated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("JIKIMI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("STATE_DIRECTORY", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def check(tmp_path: Path, run: Callable[..., tuple[int, str, str]]) -> Check:
    """Check a file with this text: exit code, and a line for each finding, without its path."""

    def written(text: str) -> tuple[int, list[str]]:
        path = tmp_path / "site.yaml"
        path.write_text(text, "utf-8")
        code, out, err = run("check", path)
        assert bool(out) == (code == 0)
        return code, [line.replace(f"{path}:", "") for line in err.splitlines()]

    return written


CAMERA = "cameras: {gate: rtsp://192.0.2.1/s}\n"


def test_zones_that_were_drawn_in_the_console_are_said_of_their_camera(
    tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("cameras: {gate: rtsp://192.0.2.1/s, yard: rtsp://192.0.2.2/s}\n")
    drawn = DrawnZones(tmp_path / "state/jikimi/zones.json")
    drawn.put("yard", Zones(watch=[[(0, 0), (1, 0), (1, 1)]]), "kim")
    code, out, _ = run("check", path)
    assert code == 0
    assert [line.split()[1] for line in out.splitlines() if "zones drawn" in line] == ["yard"]


def sinks(options: str) -> str:
    return f"{CAMERA}sinks:\n  light: {{{options}}}\n"


def test_of_a_good_file_it_says_what_a_second_look_costs_here(
    tmp_path: Path, run: Callable[..., tuple[int, str, str]], looks: list[float]
) -> None:
    looks.append(0.12)
    path = tmp_path / "site.yaml"
    path.write_text(CAMERA)
    assert "a second look takes 0.12 s of a core here" in run("check", path)[1]
    path.write_text(f"{CAMERA}detection: {{second_look: off}}\n")
    code, out, _ = run("check", path)
    assert code == 0
    assert "second look" not in out


@pytest.mark.parametrize("text", ["", "\n \n", "# cameras:\n#   gate: rtsp://h/\n", "---\n"])
def test_an_empty_file_is_an_error(check: Check, text: str) -> None:
    code, (line,) = check(text)
    assert code == 2
    assert line.startswith("error: 1: holds no settings; write")


def test_an_empty_file_is_one_also_where_the_environment_gives_cameras(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JIKIMI_CAMERAS", "gate=rtsp://192.0.2.1/s")
    assert check("")[0] == 2
    assert check("site: harbour\n") == (0, [])


@pytest.mark.parametrize(
    ("text", "line"), [("site: a\n", " cameras"), ("site: a\ncameras:\n", "2: cameras")]
)
def test_a_file_without_cameras_is_an_error(check: Check, text: str, line: str) -> None:
    code, found = check(text)
    assert code == 2
    assert [each.partition(": none are given; add")[0] for each in found] == [f"error: {line}"]


def test_everything_is_told_at_once_with_its_line(check: Check, tmp_path: Path) -> None:
    code, found = check(
        "state_dir: site.yaml/state\n"
        "weights: absent.json\n"
        "http: {port: many}\n"
        "cameras:\n"
        "  clip: absent.mp4\n"
        "  folder: .\n"
        "  usb: /dev/video77\n"
        "  gate: rtps://u:hunter2@h/\n"
        "  yard: {url: rtsp://h/, password: {file: absent}}\n"
        "sinks:\n"
        "  horn:\n"
        "    type: siren\n"
        "    command: [no-such-player, siren.wav]\n"
        "  police: {type: mqtt, host: h, tls: {ca: absent.pem}}\n"
        "  paper: {type: recording, path: absent/alerts.jsonl}\n"
        "log: {levl: info}\n"
    )
    assert code == 2
    assert [line.partition(": ")[0] for line in found] == [*["error"] * 11, "warning"]
    assert [line.split(": ")[1:3] for line in found] == [
        ["1", "state_dir"],
        ["2", "weights"],
        ["3", "http.port"],
        ["5", "cameras.clip.url"],
        ["6", "cameras.folder.url"],
        ["8", "cameras.gate.url"],
        ["9", "cameras.yard.password"],
        ["13", "sinks.horn.command"],
        ["14", "sinks.police.tls.ca"],
        ["15", "sinks.paper.path"],
        ["16", "log.levl"],
        ["7", "cameras.usb.url"],
    ]
    text = "\n".join(found)
    assert f"{tmp_path}/absent.mp4 does not exist; correct the path" in text
    assert "no-such-player is not found" in text
    assert "hunter2" not in text
    assert all("; " in line or "did you mean" in line for line in found)


def test_what_is_there_is_no_finding(check: Check, tmp_path: Path, make_weights: Any) -> None:
    tls = Tls.make(tmp_path)
    for name in ("clip.mp4", "alerts.jsonl"):
        (tmp_path / name).write_text("")
    code, found = check(
        f"state_dir: new/state\nweights: {make_weights()}\n"
        "cameras: {clip: clip.mp4, demo: pattern://calm}\n"
        "sinks:\n"
        f"  horn: {{type: siren, command: [{shutil.which('true')}]}}\n"
        "  light: {type: floodlight, pin: 17, pin_factory: mock}\n"
        f"  police: {{type: mqtt, host: h, tls: {{ca: {tls.ca}, certificate: {tls.certificate},"
        f" key: {tls.key}}}}}\n"
        "  plain: {type: mqtt, host: h, tls: {}}\n"
        "  paper: {type: recording, path: alerts.jsonl}\n"
    )
    assert (code, found) == (0, [])
    assert not (tmp_path / "new").exists()  # a check changes nothing


def test_weights_that_were_damaged_are_found(check: Check, make_weights: Any) -> None:
    weights = make_weights()
    (weights.parent / "tiny.tflite").write_bytes(b"half a file")
    code, (line,) = check(f"{CAMERA}weights: {weights}\n")
    assert code == 2
    assert "tiny.tflite: is not the file its sidecar was written for" in line


@pytest.mark.parametrize("name", ["/dev/zero", "/", "pipe"])
def test_weights_that_are_no_file_are_not_read(check: Check, tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    code, (line,) = check(f"{CAMERA}weights: {name}\n")
    assert code == 2
    assert line.startswith("error: 2: weights: ")
    assert "; name" in line


@pytest.mark.parametrize(
    ("tls", "key", "says"),
    [
        ("ca: expired.pem", "ca", "has expired on 2024-03-01; renew it"),
        ("ca: text.pem", "ca", "cannot be used (no certificate or crl found); give the PEM"),
        ("certificate: text.pem", "certificate", "cannot be used (not PEM); give"),
        ("certificate: broker.pem", "certificate", "cannot be used"),  # its key is nowhere
        (
            "certificate: broker.pem, key: other/broker.key",
            "certificate",
            "cannot be used (key values mismatch); give",
        ),
        ("certificate: broker.pem, key: locked.key", "key", "the key has a pass phrase; remove"),
        ("ca: expired.pem, certificate: text.pem", "certificate", "cannot be used"),
    ],
)
def test_certificates_that_will_not_serve(
    check: Check, tmp_path: Path, tls: str, key: str, says: str
) -> None:
    made = Tls.make(tmp_path)
    (tmp_path / "other").mkdir()
    Tls.make(tmp_path / "other")
    (tmp_path / "expired.pem").write_text(EXPIRED)
    (tmp_path / "text.pem").write_text("no certificate")
    lock(made.key, tmp_path / "locked.key")
    code, found = check(sinks(f"type: mqtt, host: h, tls: {{{tls}}}"))
    assert code == 2
    assert any(line.startswith(f"error: 3: sinks.light.tls.{key}: {says}") for line in found)


@pytest.mark.parametrize(
    ("stated", "key", "says"),
    [
        ("tls_certificate: broker.pem", "tls_certificate", "{at}/broker.pem, with the key in"),
        ("tls_certificate: text.pem, tls_key: broker.key", "tls_certificate", "{at}/text.pem, "),
        ("tls_certificate: broker.pem, tls_key: other/broker.key", "tls_certificate", "{at}/br"),
        ("tls_certificate: broker.pem, tls_key: locked.key", "tls_key", "the key has a passphrase"),
        ("tls_certificate: both.pem", "tls_certificate", "has expired on 2024-03-01; renew it"),
        ("tls_key: broker.key", "tls_key", "has no certificate beside it"),
    ],
)
def test_certificates_that_make_no_https(
    check: Check, tmp_path: Path, stated: str, key: str, says: str
) -> None:
    made = Tls.make(tmp_path)
    (tmp_path / "other").mkdir()
    Tls.make(tmp_path / "other")
    (tmp_path / "both.pem").write_text(made.certificate.read_text() + made.key.read_text())
    (tmp_path / "text.pem").write_text("no certificate")
    lock(made.key, tmp_path / "locked.key")
    if "expired" in says:
        (tmp_path / "both.pem").write_text((tmp_path / "both.pem").read_text() + EXPIRED)
    code, (line,) = check(f"{CAMERA}http: {{{stated}}}\n")
    assert code == 2
    assert line.startswith(f"error: 2: http.{key}: {says.format(at=tmp_path)}")


def test_a_console_that_nobody_can_get_into_is_a_warning(check: Check) -> None:
    for host in ("0.0.0.0", "'::'", "192.0.2.1", "box.example"):
        code, (line,) = check(f"{CAMERA}http: {{host: {host}}}\n")
        assert code == 0
        assert line.startswith("warning: 2: http: other machines can reach the console and it has")
        assert "`jikimi password`" in line
    hashed = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21l$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNo"
    account = f'accounts: {{kim: {{password: "{hashed}"}}}}'
    for good in ("host: 127.0.0.2", "host: localhost", f"host: 0.0.0.0, {account}"):
        assert check(f"{CAMERA}http: {{{good}}}\n") == (0, [])


def test_links_to_a_console_that_nobody_can_log_in_to_are_a_warning(check: Check) -> None:
    code, (line,) = check(f"{CAMERA}http: {{public_url: 'https://jikimi.example'}}\n")
    assert code == 0
    assert line.startswith("warning: 2: http.public_url: is of no use to people: there are no acc")


def lock(key: Path, path: Path) -> None:
    """Write `key` with a pass phrase."""
    command = ["openssl", "pkey", "-aes256", "-passout", "pass:secret"]
    subprocess.run([*command, "-in", key, "-out", path], check=True, capture_output=True)


def test_what_this_user_may_not_read_or_write_is_an_error(check: Check, tmp_path: Path) -> None:
    tls = Tls.make(tmp_path)
    tls.key.chmod(0)
    if os.access(tls.key, os.R_OK):
        pytest.skip("root may read and write everything")
    (tmp_path / "clip.mp4").touch(mode=0)
    (tmp_path / "state").mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    code, found = check(
        "state_dir: state\ncameras: {clip: clip.mp4}\n"
        "sinks:\n  police: {type: mqtt, host: h, "
        f"tls: {{certificate: {tls.certificate}, key: {tls.key}}}}}\n"
    )
    assert code == 2
    assert [line.split(": ")[1:3] for line in found] == [
        ["1", "state_dir"],
        ["2", "cameras.clip.url"],
        ["4", "sinks.police.tls.key"],
    ]


@pytest.mark.parametrize("factory", ["lgpio", "pigpio"])
def test_a_gpio_library_that_is_missing_is_a_warning(
    check: Check, monkeypatch: pytest.MonkeyPatch, factory: str
) -> None:
    monkeypatch.setitem(relay.LIBRARIES, factory, "no_such_library")
    for kind in ("siren", "floodlight"):
        code, (line,) = check(sinks(f"type: {kind}, pin: 17, pin_factory: {factory}"))
        assert code == 0
        assert line.startswith(f"warning: 3: {HARDWARE}needs the library no_such_library")
        assert "pip install 'jikimi[gpio]'" in line


@pytest.mark.parametrize("factory", ["lgpio", "native"])
def test_a_gpio_chip_that_is_missing_is_a_warning(
    check: Check, monkeypatch: pytest.MonkeyPatch, factory: str
) -> None:
    monkeypatch.setattr(relay, "LIBRARIES", {})
    monkeypatch.setitem(relay.DEVICES, factory, "no-such-chip*")
    code, (line,) = check(sinks(f"type: floodlight, pin: 17, pin_factory: {factory}"))
    assert code == 0
    assert line.startswith(f"warning: 3: {HARDWARE}{factory} finds no /dev/no-such-chip*")
    monkeypatch.setitem(relay.DEVICES, factory, "nul*")  # one that is there
    assert check(sinks(f"type: floodlight, pin: 17, pin_factory: {factory}")) == (0, [])


@pytest.mark.parametrize(
    ("one", "other", "key"),
    [
        ("type: floodlight, pin: 17, pin_factory: native", "type: siren, pin: GPIO17", None),
        (
            "type: floodlight, pin: 17, pin_factory: native",
            "type: siren, pin: GPIO17, pin_factory: native",
            "pin",
        ),
        (
            "type: siren, pin: 4, pin_factory: pigpio, host: a",
            "type: siren, pin: 4, pin_factory: pigpio, host: b",
            None,
        ),
        ("type: siren, pin: 4, pin_factory: mock", "type: siren, pin: 4, pin_factory: mock", None),
        ("type: mqtt, host: h, client_id: a", "type: mqtt, host: h, client_id: a", "client_id"),
        ("type: mqtt, host: h, client_id: a", "type: mqtt, host: h, client_id: b", None),
        ("type: mqtt, host: h, client_id: a", "type: mqtt, host: i, client_id: a", None),
        ("type: mqtt, host: h", "type: mqtt, host: h", None),
    ],
)
def test_what_only_one_sink_can_have(check: Check, one: str, other: str, key: str | None) -> None:
    code, found = check(f"{CAMERA}sinks:\n  a: {{{one}}}\n  b: {{{other}}}\n")
    errors = [line for line in found if line.startswith("error")]
    assert [line.partition(";")[0] for line in errors] == (
        [f"error: 4: sinks.b.{key}: is also that of the sink a"] if key else []
    )
    assert code == (2 if key else 0)


def test_a_camera_that_no_sink_hears_and_a_sink_that_hears_none(check: Check) -> None:
    code, found = check(
        "cameras:\n  gate: {url: rtsp://h/s, site: north}\n  yard: {url: rtsp://h/s, site: south}\n"
        "sinks:\n  a: {type: log, route: {sites: [south]}}\n"
        "  b: {type: log, route: {cameras: [yard], sites: [north]}}\n"
    )
    assert code == 2
    assert [line.partition(";")[0] for line in found] == [
        "error: 6: sinks.b.route: takes no camera, for none of cameras: is at one of sites:",
        "warning: 2: cameras.gate: no sink's route takes its alarms",
    ]


def test_a_camera_whose_alarms_all_wait_for_an_operator_whom_nobody_calls(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    path = tmp_path / "jikimi.yaml"
    path.write_text(
        "cameras: {gate: rtsp://h/s}\n"
        "sinks:\n  police: {type: log, confirm: {within_s: 90, then: drop}}\n"
    )
    code, out, err = run("check", path)
    assert code == 0
    assert "sink police (log)  waits 90 s for an operator, then drops what none confirmed" in out
    assert "cameras.gate: every sink that takes its alarms waits for an operator" in err
    path.write_text(path.read_text() + "  horn: {type: log}\n")
    assert "waits for an operator, and none" not in run("check", path)[2]


class PagerOptions(Section):
    def problems(self) -> list[Problem]:
        return [Problem(("modem",), "is silent; plug it in")]


class PagerSink(LogSink):
    Options: ClassVar[type[BaseModel]] = PagerOptions


def test_the_sinks_of_others_may_say_what_they_lack(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = EntryPoint("pager", "pager:PagerSink", registry.GROUP)
    monkeypatch.setattr(registry, "_entries", lambda: [theirs])
    monkeypatch.setattr(registry, "_load", lambda _entry: PagerSink)
    assert check(sinks("type: pager")) == (
        2,
        ["error: 3: sinks.light.modem: is silent; plug it in"],
    )


def test_the_city_example_passes_as_it_ships(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = run("check", EXAMPLES / "city.yaml")
    assert code == 0
    assert "good: 4 camera(s), 5 sink(s)" in out
    assert all(line.startswith("warning: ") for line in err.splitlines())
    assert "change-me" not in out + err


def test_what_the_box_that_is_named_needs_is_a_warning(check: Check) -> None:
    named = "type: siren, command: [/no/such/program]"
    journal = "journal: {url: 'postgresql://jikimi@db/jikimi'}\n"
    assert check(journal + sinks(named))[0] == 2
    code, (line,) = check(journal + sinks(f"{named}, box: harbour"))
    assert code == 0
    assert line.startswith("warning: 4: sinks.light.command: the program /no/such/program")
    assert line.endswith("(of a cluster: on that box alone)")


def test_a_box_that_others_cannot_hand_alerts_to_is_a_warning(check: Check) -> None:
    code, (line,) = check(sinks("type: siren, pin: 4, pin_factory: mock, box: harbour"))
    assert code == 0
    assert line.startswith("warning: 3: sinks.light.box: other boxes hand it their alerts over")


def test_two_boxes_have_a_pin_each(check: Check) -> None:
    one = "type: siren, pin: 4, pin_factory: native"
    journal = "journal: {url: 'postgresql://jikimi@db/jikimi'}\n"
    text = f"{journal}{CAMERA}sinks:\n  a: {{{one}, box: quay}}\n  b: {{{one}, box: %s}}\n"
    assert check(text % "harbour")[0] == 0
    assert check(text % "quay")[0] == 2
