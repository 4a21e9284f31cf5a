"""The service under a real systemd, booted in a container of Debian bookworm.

Only here do the unit's confinement, credentials, watchdog and ExecStopPost= act.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from installing import REPOSITORY, build_wheel, run

from servers.daemon import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        "JIKIMI_SERVICE_CHECK" not in os.environ,
        reason="boots a container of 300 MB: make service-check",
    ),
]

INSTALL = "/source/deploy/systemd/install.sh"

CONFIG = """
cameras:
  yard: pattern://scuffle
sinks:
  log: {type: log}
  horn: {type: siren, pin: 4, pin_factory: mock}
  police:
    {type: mqtt, host: 127.0.0.1, username: jikimi, password: {credential: jikimi_police}}
http: {port: 0}
"""

HANGING = """
[Service]
ExecStart=
ExecStart=/opt/jikimi/current/bin/python /source/tests/servers/hanging.py /run/jikimi/hang \
    run --config /etc/jikimi/jikimi.yaml
"""


class Box:
    """A running system: its root, and commands inside it."""

    def __init__(self, root: Path, leader: int) -> None:
        self.root = root
        self.leader = leader

    def does(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside, whatever comes of it."""
        path = "PATH=/usr/local/bin:/usr/bin:/usr/sbin"
        return run("nsenter", "-t", str(self.leader), "-a", "env", "-i", path, *command)

    def must(self, *command: str) -> str:
        """Run a command inside that has to succeed; what it prints."""
        done = self.does(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}{self.journal()}"
        return done.stdout

    def shows(self, property_: str) -> str:
        """A property of the service."""
        return self.must("systemctl", "show", "jikimi", "--value", "-p", property_).strip()

    def journal(self) -> str:
        """All that the service and systemd said about it."""
        return self.does("journalctl", "-u", "jikimi", "-o", "cat").stdout


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a Debian root that can boot."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to boot a container")
    for tool in ("debootstrap", "systemd-nspawn"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing: apt install debootstrap systemd-container")
    if sys.version_info[:2] != (3, 11):
        pytest.skip("needs Python 3.11, which Debian bookworm has, to fetch wheels for it")
    made = run(Path(__file__).with_name("debian_root.sh"))
    assert made.returncode == 0, made.stderr
    root = tmp_path_factory.mktemp("debian") / "root"
    # Not shutil.copytree: it would read /dev/zero to its end.
    subprocess.run(["cp", "-a", made.stdout.strip(), str(root)], check=True)
    (root / "etc/pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    return root


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels that Jikimi stands on."""
    folder = tmp_path_factory.mktemp("wheels")
    locks = ("requirements.txt", "deploy/requirements-gpio.txt")
    done = run(
        *(sys.executable, "-m", "pip", "download", "-q", "--require-hashes"),
        *("--only-binary", ":all:", "-d", folder),
        *(word for lock in locks for word in ("-r", REPOSITORY / lock)),
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def broken_wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version that ends at once."""
    tree = tmp_path_factory.mktemp("broken") / "source"
    shutil.copytree(source, tree)
    (tree / "detector/cli/__init__.py").write_text(
        "raise SystemExit('this version does not start')\n"
    )
    return build_wheel(tree, tmp_path_factory.mktemp("broken-wheel"))


@pytest.fixture(scope="module")
def box(
    debian: Path, wheels: Path, wheel: Path, next_wheel: Path, broken_wheel: Path
) -> Iterator[Box]:
    """The booted container; the checkout, the wheels and the three versions are mounted there."""
    mounts = {
        REPOSITORY: "/source",
        wheels: "/wheels",
        wheel.parent: "/this",
        next_wheel.parent: "/next",
        broken_wheel.parent: "/broken",
    }
    process = subprocess.Popen(
        [
            *("systemd-nspawn", "-q", "--register=no", "--keep-unit", "-D", str(debian), "--boot"),
            *(f"--bind-ro={outside}:{inside}" for outside, inside in mounts.items()),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")

    def up() -> Box | None:
        if process.poll() is not None:
            assert process.stderr
            pytest.skip(f"no container boots here: {process.stderr.read().strip()[-300:]}")
        leaders = children.read_text().split()
        box = Box(debian, int(leaders[0])) if leaders else None
        state = box.does("systemctl", "is-system-running").stdout if box else ""
        return box if state.strip() in {"running", "degraded"} else None

    try:
        yield wait_until(up, "the container to boot", 90)
    finally:
        process.terminate()  # nspawn shuts the system inside down
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stderr
        process.stderr.close()


@pytest.fixture(scope="module")
def service(box: Box, wheel: Path) -> Box:
    """Installed, configured with a credential, and started: as an operator would."""
    box.must(INSTALL, "--wheel", f"/this/{wheel.name}")
    (box.root / "etc/jikimi/jikimi.yaml").write_text(CONFIG)
    (box.root / "etc/jikimi/credentials/police").write_text("top-secret-word\n")
    box.must("systemctl", "enable", "--now", "jikimi")
    return box


def test_it_is_ready_confined_and_its_command_finds_it(service: Box) -> None:
    assert service.shows("ActiveState") == "active"
    status = service.must("cat", f"/proc/{service.shows('MainPID')}/status")
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    assert "CapBnd:\t0000000000000000" in status
    assert "Uid:\t0" not in status
    told = json.loads(service.must("jikimi", "status", "--json"))
    assert told["state_dir"] == "/var/lib/jikimi"
    wait_until(
        lambda: '"live"' in service.must("jikimi", "status", "--json"), "the camera to be live"
    )
    assert "top-secret-word" not in service.journal()


def test_every_line_in_the_journal_is_an_event(service: Box) -> None:
    lines = service.must("journalctl", "-t", "jikimi", "-o", "cat").splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    assert {"camera state"} <= {event["event"] for event in events}


def test_reload_takes_over_a_new_camera(service: Box) -> None:
    config = service.root / "etc/jikimi/jikimi.yaml"
    process = service.shows("MainPID")
    config.write_text(CONFIG.replace("sinks:", "  court: pattern://calm\nsinks:"))
    service.must("systemctl", "reload", "jikimi")
    wait_until(lambda: '"court"' in service.must("jikimi", "status", "--json"), "the new camera")
    config.write_text(CONFIG)
    assert service.shows("MainPID") == process


def test_after_a_crash_relays_go_off_and_it_is_back(service: Box) -> None:
    before = int(service.shows("NRestarts"))
    service.must("systemctl", "kill", "--kill-whom=main", "-s", "KILL", "jikimi")
    wait_until(lambda: int(service.shows("NRestarts")) > before, "the restart")
    wait_until(lambda: service.shows("ActiveState") == "active", "the daemon to be back")
    off = service.shows("ExecStopPost")
    assert "relays-off" in off
    assert "status=0" in off
    assert "relays-off" not in service.journal()  # it would say what it could not do


def test_the_watchdog_ends_a_daemon_whose_worker_hangs(service: Box) -> None:
    drop_in = service.root / "etc/systemd/system/jikimi.service.d/hang.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(HANGING)
    service.must("systemctl", "daemon-reload")
    service.must("systemctl", "restart", "jikimi")
    before = int(service.shows("NRestarts"))
    service.must("touch", "/run/jikimi/hang")
    wait_until(lambda: int(service.shows("NRestarts")) > before, "the watchdog", 60)
    wait_until(lambda: service.shows("ActiveState") == "active", "the daemon to be back")
    assert "Watchdog timeout" in service.journal()
    shutil.rmtree(drop_in.parent)
    service.must("systemctl", "daemon-reload")
    service.must("systemctl", "restart", "jikimi")


def test_an_upgrade_restarts_it_and_can_be_rolled_back(service: Box, next_wheel: Path) -> None:
    before = service.must("readlink", "/opt/jikimi/current")
    good = service.must(INSTALL, "--wheel", f"/next/{next_wheel.name}")
    assert "99.0.0" in good
    # It counts as started once cameras are opened; the line that sums it up comes after that.
    wait_until(lambda: '"version": "99.0.0"' in service.journal(), "the new version to say so")
    service.must(INSTALL, "--rollback")
    assert service.must("readlink", "/opt/jikimi/current") == before
    assert service.shows("ActiveState") == "active"


def test_an_upgrade_that_does_not_start_is_taken_back(service: Box, broken_wheel: Path) -> None:
    before = service.must("readlink", "/opt/jikimi/current")
    done = service.does(INSTALL, "--wheel", f"/broken/{broken_wheel.name}")
    assert done.returncode == 1
    assert "this version does not start" in done.stdout
    assert "taken back" in done.stderr
    assert service.must("readlink", "/opt/jikimi/current") == before
    assert service.shows("ActiveState") == "active"


def test_a_backup_brings_configuration_secrets_and_state_back(service: Box) -> None:
    kept = ("etc/jikimi", "var/lib/jikimi")

    def found() -> list[str]:
        paths = [f"/{path}" for path in kept]
        owners = service.must("find", *paths, "-printf", "%p %u:%g %m\n")
        sums = service.must("find", *paths, "-type", "f", "-exec", "sha256sum", "{}", "+")
        return sorted((owners + sums).splitlines())

    service.must("systemctl", "stop", "jikimi")
    service.must("tar", "-C", "/", "-czf", "/root/backup.tar.gz", *kept)
    before = found()
    assert any("/outbox.sqlite" in line for line in before)
    service.must("find", *(f"/{path}" for path in kept), "-mindepth", "1", "-delete")
    service.must("tar", "-C", "/", "-xzf", "/root/backup.tar.gz")
    assert found() == before
    service.must("systemctl", "start", "jikimi")
    service.must("jikimi", "incidents")


def test_uninstalling_leaves_configuration_and_state(service: Box) -> None:
    service.must(INSTALL, "--uninstall")
    assert service.does("systemctl", "cat", "jikimi").returncode != 0
    assert (service.root / "etc/jikimi/jikimi.yaml").exists()
    assert (service.root / "var/lib/jikimi/outbox.sqlite").exists()
    assert not (service.root / "opt/jikimi").exists()
    assert not (service.root / "usr/local/bin/jikimi").exists()
