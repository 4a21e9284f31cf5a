"""`jikimi discover`: ONVIF cameras of the network, and the configuration that watches them."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from contextlib import suppress
from getpass import getpass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.environment import ONVIF_PASSWORD
from config.errors import ConfigError, JikimiError, StreamError, UsageError
from config.files import SECRET_BYTES, UnfitFileError, expanded, read_file
from config.secrets import register_secret, scrub

if TYPE_CHECKING:  # an extra, and seconds to load
    from detector.onvif.discovery import Device
    from detector.onvif.soap import Login

INSTALL = "discover needs an ONVIF client: pip install 'jikimi[onvif]'"

DESCRIPTION = f"""\
Find ONVIF cameras by multicast (WS-Discovery), or ask those that are named, and
print the `cameras:` section of a configuration file for them, with the smallest
stream that is enough of each. What cannot be asked is told on standard error.

The password is read from {ONVIF_PASSWORD}, from --password-file, or asked
for. The section refers to it and does not hold it. It is sent to nobody, but a
digest of it goes to every device that answers: use an account that may only
view. Nothing in a camera is changed."""


def add_commands(commands: Any) -> None:
    """Add `discover`."""
    discover = commands.add_parser(
        "discover",
        help="find ONVIF cameras, and write the configuration for them",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    discover.add_argument(
        "hosts",
        nargs="*",
        metavar="HOST",
        help="cameras that multicast does not reach: HOST, HOST:PORT or the URL of the device "
        "service",
    )
    discover.add_argument("--user", metavar="NAME", help="of all the cameras")
    discover.add_argument(
        "--password-file", type=Path, metavar="FILE", help="holds the password, and nothing else"
    )
    discover.add_argument(
        "--write", type=Path, metavar="FILE", help="write a new file instead of printing it"
    )
    discover.set_defaults(run=_discover)


def _discover(chosen: argparse.Namespace) -> int:
    if any(find_spec(name) is None for name in ("onvif", "wsdiscovery")):
        raise JikimiError(INSTALL)
    if chosen.write and chosen.write.exists():  # before anybody waits
        raise UsageError(f"--write {chosen.write}: is there already; name a new file")
    # Libraries log what cameras answer; what people need to know of it is printed here.
    logging.getLogger().addHandler(logging.NullHandler())
    from detector.cli.cameras.section import section  # noqa: PLC0415
    from detector.onvif.camera import Camera, look_at  # noqa: PLC0415

    login, reference = _login(chosen)
    devices = _devices(chosen.hosts)
    found = look_at(devices, login)
    cameras = [camera for camera in found if isinstance(camera, Camera)]
    for silent in found:
        if not isinstance(silent, Camera):
            print(scrub(f"{silent.device}: {silent.reason}"), file=sys.stderr)
    if not cameras:
        raise StreamError(f"of {len(devices)} device(s) none could be asked for its streams")
    if chosen.write:
        _write(chosen.write, section(cameras, reference, whole=True))
        print(f"{chosen.write}: {len(cameras)} camera(s); try it: jikimi check {chosen.write}")
    else:
        print(section(cameras, reference, whole=False), end="")
    return 0


def _devices(hosts: list[str]) -> list[Device]:
    """Those named, else those that answer a multicast."""
    from detector.onvif.addresses import device_service  # noqa: PLC0415
    from detector.onvif.discovery import WAIT_S, Device, find_devices  # noqa: PLC0415

    if hosts:
        return [Device(address) for address in dict.fromkeys(map(device_service, hosts))]
    if sys.stderr.isatty():
        print(f"Looking for cameras for {WAIT_S:g} s …", file=sys.stderr)
    devices = find_devices()
    if not devices:
        raise StreamError(
            "no ONVIF camera answered; many have ONVIF switched off (see their web page), a router "
            "lets no multicast through, a firewall here no answers (UDP from port 3702): name them "
            "as HOST"
        )
    return devices


def _login(chosen: argparse.Namespace) -> tuple[Login | None, dict[str, Any]]:
    """The log-in, and how the configuration refers to it."""
    from detector.onvif.soap import Login  # noqa: PLC0415

    if not chosen.user:
        if chosen.password_file:
            raise UsageError("--password-file is given without --user")
        return None, {}
    if ":" in chosen.user:
        raise UsageError("--user: holds a colon; give the name alone")
    password, reference = _password(chosen.password_file)
    register_secret(password)
    return Login(chosen.user, password), {"user": chosen.user, "password": reference}


def _password(file: Path | None) -> tuple[str, dict[str, str]]:
    if file is not None:
        return _content(file), {"file": str(expanded(str(file)).absolute())}
    password = os.environ.get(ONVIF_PASSWORD)
    if not password and sys.stdin.isatty():
        with suppress(EOFError):
            password = getpass("Password of the cameras: ")
    if not password:
        raise UsageError(f"no password; set {ONVIF_PASSWORD}, or give --password-file")
    return password, {"env": ONVIF_PASSWORD}


def _content(file: Path) -> str:
    """Names no file: somebody may take the option for the password itself."""
    try:
        text = read_file(expanded(str(file)), SECRET_BYTES).decode("utf-8-sig").rstrip("\r\n")
    except UnfitFileError as error:
        raise ConfigError(f"--password-file: what it names {error}") from None
    except UnicodeDecodeError:
        raise ConfigError("--password-file: is not UTF-8 text; save it so") from None
    except OSError as error:
        raise ConfigError(
            f"--password-file: cannot be read ({error.strerror}); name a file that holds the "
            "password"
        ) from None
    if not text:
        raise ConfigError("--password-file: is empty; write the password into it")
    return text


def _write(path: Path, text: str) -> None:
    """A new file that only its owner may read: a camera's address may hold a password."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise JikimiError(f"{path}: cannot be written ({error.strerror})") from error
