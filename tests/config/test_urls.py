"""Camera URLs as technicians type them."""

import re
import string
from contextlib import suppress
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from config import secrets
from config.secrets import scrub
from config.urls import StreamUrl, split_camera, split_cameras, with_credentials

PRINTABLE = st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp", "Zs"))
PASSWORDS = st.text(st.one_of(st.sampled_from("@:/#%?&=[]. "), PRINTABLE), min_size=1, max_size=20)
USERS = st.text(PRINTABLE.filter(lambda c: c not in ":/?#"), min_size=1, max_size=12)
HOSTS = st.sampled_from(["192.0.2.10", "cam.example", "mediamtx", "[2001:db8::5]", "gate-1"])
PORTS = st.sampled_from(["", ":554", ":8554"])
PATHS = st.text(string.ascii_letters + string.digits + "/._-=&%?:", max_size=20).map("/{}".format)
LITERAL = set("@:/?# ")


def meant(typed: str) -> str:
    """What a typed password means: decoded only if it could stand in a URL as it is."""
    lone = any(
        not (len(rest) >= 2 and set(rest[:2]) <= set(string.hexdigits))
        for rest in typed.split("%")[1:]
    )
    return (
        typed if lone or LITERAL & set(typed) or any(c.isspace() for c in typed) else unquote(typed)
    )


@given(USERS, PASSWORDS, HOSTS, PORTS, PATHS)
def test_any_password_gives_back_host_and_path(
    user: str, password: str, host: str, port: str, path: str
) -> None:
    # `a.b:80/x@cam` is read as a host with a port and a path
    assume(not (re.match(r"\d+[/?]", password) and ("." in user or user == "localhost")))
    url = StreamUrl.parse(f"rtsp://{user}:{password}@{host}{port}{path}")
    login, at, rest = url.url.removeprefix("rtsp://").partition("@")
    assert at
    assert rest == f"{host}{port}{path}"
    typed_user, _, typed_password = login.partition(":")
    assert unquote(typed_password) == meant(password)
    assert unquote(typed_user) == meant(user)
    assert urlsplit(url.url).hostname == host.strip("[]").lower()
    assert url.redacted.startswith(f"rtsp://***@{host}{port}/")
    assert StreamUrl.parse(url.url) == url


@given(USERS, PASSWORDS, HOSTS)
def test_a_password_is_never_shown(user: str, password: str, host: str) -> None:
    assume(len(password) >= 4 and password not in f"rtsp://***@{host}/stream1")
    assume(password not in StreamUrl.parse(f"rtsp://{user}@{host}/stream1").redacted)
    assume(not (re.match(r"\d+[/?]", password) and ("." in user or user == "localhost")))
    url = StreamUrl.parse(f"rtsp://{user}:{password}@{host}/stream1")
    assert password not in f"{url} {url!r} {url.redacted}"
    assert password not in scrub(f"failed: {password}!")
    assert url.url not in scrub(f"failed: {url.url}")


@given(USERS, PASSWORDS)
def test_user_and_password_of_their_own_are_taken_as_they_are(user: str, password: str) -> None:
    url = StreamUrl.parse(with_credentials("rtsp://192.0.2.10/a@b", user, password))
    login, _, rest = url.url.removeprefix("rtsp://").partition("@")
    assert [unquote(part) for part in login.split(":")] == [user, password]
    assert rest == "192.0.2.10/a%40b"


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with suppress(ValueError):  # anything else would crash the daemon
        StreamUrl.parse(text)


@pytest.mark.parametrize(
    ("typed", "url", "redacted"),
    [
        (
            "rtsp://user:p@ss:w/or#d%@host:554/stream1?x=1",
            "rtsp://user:p%40ss%3Aw%2For%23d%25@host:554/stream1?x=1",
            "rtsp://***@host:554/stream1?***",
        ),
        ("rtsp://u:p%40ss@h/s", "rtsp://u:p%40ss@h/s", "rtsp://***@h/s"),
        ("rtsp://u:p%40s@s@h/s", "rtsp://u:p%2540s%40s@h/s", "rtsp://***@h/s"),
        ("rtsp://u:50%@h/s", "rtsp://u:50%25@h/s", "rtsp://***@h/s"),
        ("rtsp://u:1@h/s", "rtsp://u:1@h/s", "rtsp://***@h/s"),
        ("rtsp://u:@h/s", "rtsp://u:@h/s", "rtsp://***@h/s"),
        ("rtsp://me@b.com:pw@h/s", "rtsp://me%40b.com:pw@h/s", "rtsp://***@h/s"),
        ("RTSPS://h/s", "rtsps://h/s", "rtsps://h/s"),
        ("rtsp://h/path@2x", "rtsp://h/path@2x", "rtsp://h/path@2x"),
        ("rtsp://192.0.2.1:554/a@b", "rtsp://192.0.2.1:554/a@b", "rtsp://192.0.2.1:554/a@b"),
        ("rtsp://[:?@192.0.2.1/s", "rtsp://%5B:%3F@192.0.2.1/s", "rtsp://***@192.0.2.1/s"),
        ("rtsp://[2001:db8::5]/a@b", "rtsp://[2001:db8::5]/a@b", "rtsp://[2001:db8::5]/a@b"),
        ("rtsp://admin:12/34@h/s", "rtsp://admin:12%2F34@h/s", "rtsp://***@h/s"),
        (
            "http://cam.example:80/v?user=me&pwd=p@ss&x=1",
            "http://cam.example:80/v?user=me&pwd=p@ss&x=1",
            "http://cam.example:80/v?user=***&pwd=***&***",
        ),
        (
            "https://h/v?access_token=abcdef#t",
            "https://h/v?access_token=abcdef#t",
            "https://h/v?access_token=***#***",
        ),
        (
            "rtsp://h/user=admin_password=tlJw_channel=1_stream=0.sdp",
            "rtsp://h/user=admin_password=tlJw_channel=1_stream=0.sdp",
            "rtsp://h/user=***_password=***_channel=1_stream=0.sdp",
        ),
    ],
)
def test_network(typed: str, url: str, redacted: str) -> None:
    parsed = StreamUrl.parse(typed)
    assert (parsed.url, parsed.redacted, parsed.kind) == (url, redacted, "network")
    assert str(parsed) == repr(parsed) == redacted


@pytest.mark.parametrize(
    ("typed", "url", "kind"),
    [
        ("/srv/clip.mp4", "/srv/clip.mp4", "file"),
        ("clip one.mp4", "clip one.mp4", "file"),
        ("file:///srv/clip%20one.mp4", "/srv/clip one.mp4", "file"),
        ("./a@b.mp4", "./a@b.mp4", "file"),
        ("/dev/video0", "/dev/video0", "device"),
        ("device://1", "/dev/video1", "device"),
        ("pattern://calm", "pattern://calm", "pattern"),
        ("pattern://scuffle", "pattern://scuffle", "pattern"),
    ],
)
def test_files_devices_and_patterns(typed: str, url: str, kind: str) -> None:
    parsed = StreamUrl.parse(typed)
    assert (parsed.url, parsed.redacted, parsed.kind) == (url, url, kind)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "  ",
        "rtsp://",
        "rtsp:///stream",
        "rtsp://u:hunter22@",
        "rtsp://u:hunter22@h:0/s",
        "rtsp://u:hunter22@h:port/s",
        "rtsp://u:hunter22@[192.0.2.1]/s",
        "rtps://u:hunter22@h/s",
        "rtsp:/u:hunter22@h/s",
        "RTSP:/u:hunter22@h/s",
        "rtsp//u:hunter22@h/s",
        "onvif://u:hunter22@h/s",
        "u:1-hunter22",
        "192.0.2.10/s?password=hunter22",
        "u:hunter22@h/s",
        "192.0.2.10/s",
        "cam:554/s",
        "rtsp://u:hunter22\n@h/s",
        "rtsp://u:hunter22\x00@h/s",
        "pattern://riot",
        "device://front",
        "file://server/clip.mp4",
    ],
)
def test_refused_without_showing_the_password(typed: str) -> None:
    with pytest.raises(ValueError, match=r"[a-z]") as caught:
        StreamUrl.parse(typed)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("192.0.2.10", "write rtsp://192.0.2.10/path"),
        ("192.0.2.10:8554/live", "write rtsp://192.0.2.10:8554/path"),
        ("cam.example:554/live", "write rtsp://cam.example:554/path"),
        ("[2001:db8::5]", "write rtsp://[2001:db8::5]/path"),
        ("u:pw@192.0.2.10/live", "write rtsp://user:password@host/path"),
        ("rtsp:/192.0.2.10/live", "begins with rtsp:/ instead of rtsp://"),
        ("Rtsp:192.0.2.10/live", "begins with Rtsp: instead of rtsp://"),
        ("rtsp//192.0.2.10/live", "begins with rtsp// instead of rtsp://"),
        ("HTTP:\\\\192.0.2.10\\video", "instead of http://"),
        ("rtps://192.0.2.10/live", "did you mean rtsp?"),
        ("rtspt://192.0.2.10/live", "did you mean rtsp?"),
        ("htpp://192.0.2.10/live", "did you mean http?"),
        ("ONVIF://192.0.2.10/device", "rtsp://user:password@host/path, from the camera's web page"),
        ("udp://192.0.2.10:1234", "use one of rtsp"),
    ],
)
def test_a_wrong_scheme_is_told_with_what_to_write(typed: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        StreamUrl.parse(typed)


@pytest.mark.parametrize(
    "name", ["rtsp.mp4", "http-cam.mp4", "./rtsp:/clip.mp4", "clips/rtsp/1.mp4"]
)
def test_files_that_look_a_little_like_urls_are_files(name: str) -> None:
    assert StreamUrl.parse(name).kind == "file"


def test_a_short_password_does_not_star_everything_out() -> None:
    StreamUrl.parse("rtsp://u:1@192.0.2.1/s")
    assert scrub("camera 11 of 21") == "camera 11 of 21"


@pytest.mark.parametrize("login", ["Tok3nOfTheGate", "Tok3nOfTheGate:"])
def test_a_token_in_place_of_the_user_is_scrubbed(
    login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "_known", ())
    assert StreamUrl.parse(f"rtsp://{login}@192.0.2.1/s").redacted == "rtsp://***@192.0.2.1/s"
    assert scrub("refused Tok3nOfTheGate") == "refused ***"


def test_secrets_are_scrubbed_raw_encoded_and_escaped() -> None:
    StreamUrl.parse('rtsp://u:p@"ss/w@h/s?token=abc%20d')
    for shown in ('p@"ss/w', "p%40%22ss%2Fw", 'p@\\"ss/w', "abc%20d", "abc d"):
        assert scrub(f"x {shown} y") == "x *** y"


@pytest.mark.parametrize(
    ("text", "name", "url"),
    [
        ("gate=rtsp://u:p=w@h/s?x=1", "gate", "rtsp://u:p=w@h/s?x=1"),
        ("rtsp://u:p=w@h/s?x=1", None, "rtsp://u:p=w@h/s?x=1"),
        ("north-gate.2=/dev/video0", "north-gate.2", "/dev/video0"),
        ("정문=rtsp://h/", "정문", "rtsp://h/"),
        ("./a=b.mp4", None, "./a=b.mp4"),
        ("clip.mp4", None, "clip.mp4"),
    ],
)
def test_name_and_url(text: str, name: str | None, url: str) -> None:
    assert split_camera(text) == (name, url)


def test_a_list_of_cameras() -> None:
    assert split_cameras(" gate=rtsp://h/?a=b\n rtsp://i/ ") == [
        ("gate", "rtsp://h/?a=b"),
        (None, "rtsp://i/"),
    ]


def test_an_identity_changes_with_all_but_the_password() -> None:
    one, other = (
        StreamUrl.parse(f"rtsp://viewer:{password}@h/s?view=2&pwd={password}")
        for password in ("hunter22", "tr0ub4dor")
    )
    # what calibrations of 0.1.0 were kept under: an update forgets none
    assert one.identity == other.identity == "rtsp://viewer:***@h/s?view=2&pwd=***"
    assert StreamUrl.parse("rtsp://h/s?view=1").identity != StreamUrl.parse("rtsp://h/s").identity
