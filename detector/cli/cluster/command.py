"""`jikimi cluster`: begin one, join it, see who watches what, empty a box."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from config.errors import ControlError
from config.settings import default_state_dir
from detector.cli.settings import CONFIG_HELP, config_file, read_settings

PORT = 6379
"""Ray's own."""

SERVE_PORT = 8000
"""Ray Serve's own."""

LAST_LINES_S = 0.5

HEAD_LOST_S = 15
"""Ray's own processes end when the head has not answered for so long, and are started anew until
it does. With Ray's 60 s a coordinator beside the one of a restarted head would live on."""


def add_commands(commands: Any) -> None:
    """Add `cluster`, and `start`, `join`, `serve`, `status` and `drain` below it."""
    cluster = commands.add_parser(
        "cluster",
        help="several boxes that share cameras: start, join, serve, status, drain",
        description="Several boxes that share the cameras of one configuration and stand in for "
        "each other. Needs Ray: pip install 'jikimi[cluster]'.",
    )
    actions = cluster.add_subparsers(title="actions", metavar="ACTION", required=True)
    start = actions.add_parser("start", help="on the first box: begin a cluster, and watch")
    start.add_argument("--config", type=Path, metavar="FILE", help=f"of all boxes; {CONFIG_HELP}")
    start.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="of a Ray cluster that is there, instead of a new one",
    )
    start.add_argument(
        "--port", type=int, default=PORT, help=f"at which the others join (default: {PORT})"
    )
    start.add_argument(
        "--redis",
        metavar="HOST:PORT",
        help="where Ray keeps who is in the cluster, beyond a death of this box",
    )
    _add_box(start)
    start.set_defaults(run=_start)
    join = actions.add_parser("join", help="on every other box: take a share of the cameras")
    join.add_argument("address", metavar="HOST:PORT", help="of the first box")
    _add_box(join)
    join.set_defaults(run=_join)
    serve = actions.add_parser(
        "serve",
        help="on a GPU box: score for boxes with engine: serve",
        description="Score the views of all boxes whose configuration says engine: serve and, as "
        "serve_url, http://THIS-BOX:PORT. Where it does not answer, they score by themselves.",
    )
    serve.add_argument(
        "--host",
        default="0.0.0.0",  # noqa: S104 - other boxes ask
        metavar="HOST",
        help="to answer at (default: all addresses)",
    )
    serve.add_argument(
        "--port", type=int, default=SERVE_PORT, help=f"to answer at (default: {SERVE_PORT})"
    )
    serve.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="of a Ray cluster that is there (default: one of its own)",
    )
    serve.add_argument(
        "--weights", type=Path, metavar="FILE", help="as the boxes have them (default: the shipped)"
    )
    serve.set_defaults(run=_serve)
    status = actions.add_parser("status", help="boxes, and which watches what")
    status.add_argument("--json", action="store_true", help="everything as JSON")
    _add_address(status)
    status.set_defaults(run=_status)
    drain = actions.add_parser("drain", help="have a box give its cameras to others")
    drain.add_argument("box", metavar="BOX", help="as `jikimi cluster status` shows it")
    drain.add_argument("--undo", action="store_true", help="have it take cameras again")
    _add_address(drain)
    drain.set_defaults(run=_drain)


def _add_box(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--box",
        default=socket.gethostname(),
        metavar="NAME",
        help="of this box (default: the host's)",
    )
    command.add_argument(
        "--sites", default="", metavar="SITE,…", help="whose cameras it reaches (default: all)"
    )
    command.add_argument(
        "--cores",
        type=float,
        default=float(os.cpu_count() or 1),
        metavar="N",
        help="that it may use (default: all)",
    )
    command.add_argument(
        "--state-dir",
        type=Path,
        default=os.environ.get("JIKIMI_STATE_DIR"),
        metavar="DIR",
        help="of this box's daemon (default: JIKIMI_STATE_DIR, else the user's own)",
    )


def _add_address(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--address",
        default="auto",
        metavar="HOST:PORT",
        help="of the first box (default: the cluster that this box is in)",
    )


def _start(chosen: argparse.Namespace) -> int:
    config = config_file(chosen.config)
    if config is None:
        raise ControlError("a cluster needs a configuration file; name it with --config")
    read_settings(config)  # whatever is wrong with it is said here and now
    address = chosen.address or f"127.0.0.1:{chosen.port}"
    node = None if chosen.address else _ray("start", "--head", f"--port={chosen.port}")
    if chosen.redis:
        os.environ["RAY_REDIS_ADDRESS"] = chosen.redis
    return _run(chosen, [address, str(config.absolute())], node, config.absolute())


def _join(chosen: argparse.Namespace) -> int:
    return _run(chosen, [chosen.address], _ray("start", f"--address={chosen.address}"), None)


def _ray(*arguments: str) -> tuple[str, ...]:
    """A node that does nothing but hold the cluster together, with the least memory Ray allows."""
    options = ["--block", "--num-cpus=1", "--object-store-memory=80000000", "--disable-usage-stats"]
    if "--head" in arguments:
        options.append("--include-dashboard=false")
    return (sys.executable, "-m", "ray.scripts.scripts", *arguments, *options)


def _run(
    chosen: argparse.Namespace,
    link: Sequence[str],
    node: tuple[str, ...] | None,
    config: Path | None,
) -> int:
    from importlib.util import find_spec  # noqa: PLC0415 - only who runs a box waits for these

    from detector.cluster.box import Box, BoxOptions  # noqa: PLC0415
    from detector.planning import CORE_MS  # noqa: PLC0415

    _state_authentication()
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", str(HEAD_LOST_S))
    if find_spec("ray") is None:
        raise ControlError("a cluster needs Ray; install it by pip install 'jikimi[cluster]'")
    options = BoxOptions(
        chosen.box,
        chosen.state_dir or default_state_dir(),
        chosen.cores * CORE_MS,
        frozenset(filter(None, chosen.sites.split(","))),
        (sys.executable, "-m", "detector.cluster.link", *link),
        node,
        config,
    )
    stop = _asked_to_stop()
    with _logging():
        box = Box(options)
        signal.signal(signal.SIGHUP, lambda *_: box.reload.set())
        box.run(stop)
    return 0


def _serve(chosen: argparse.Namespace) -> int:
    from importlib.util import find_spec  # noqa: PLC0415 - as above

    if find_spec("ray") is None or find_spec("fastapi") is None:  # which Ray has for Serve alone
        raise ControlError("a GPU box needs Ray Serve; install it by pip install 'jikimi[serve]'")
    _state_authentication()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read when Ray is loaded
    from detector.cluster.serving import ServeOptions, run  # noqa: PLC0415

    weights = chosen.weights.absolute() if chosen.weights else None
    with _logging():
        run(ServeOptions(chosen.host, chosen.port, chosen.address, weights), _asked_to_stop)
    return 0


def _state_authentication() -> None:
    """Tokens where they are asked for, and nowhere else; for every process that loads Ray.

    Left to itself `ray start` asks for one as soon as ~/.ray/auth_token exists, which any other use
    of Ray there makes, and a link by address has none (2.60): no box would ever be given a camera.
    """
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")


def _asked_to_stop() -> threading.Event:
    """Set by SIGTERM and SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


@contextmanager
def _logging() -> Iterator[None]:
    """The log, as the daemon has it."""
    from config.settings import LogSettings  # noqa: PLC0415 - as above
    from detector.daemon.observability.log_writer import LogWriter  # noqa: PLC0415
    from detector.daemon.observability.logs import configure_logging  # noqa: PLC0415

    writer = LogWriter(sys.stderr, sys.stdout)
    writer.start()
    try:
        configure_logging(LogSettings(), writer)
        yield
    finally:
        writer.close(LAST_LINES_S)


def _status(chosen: argparse.Namespace) -> int:
    from detector.cli.cluster.showing import shown  # noqa: PLC0415 - same
    from detector.cluster.link import CONNECT_S, connected  # noqa: PLC0415

    _state_authentication()
    status = connected(chosen.address)("status", timeout_s=CONNECT_S)
    print(json.dumps(status, ensure_ascii=False, indent=2) if chosen.json else shown(status))
    return 0


def _drain(chosen: argparse.Namespace) -> int:
    from detector.cluster.link import CONNECT_S, connected  # noqa: PLC0415 - same

    _state_authentication()
    call = connected(chosen.address)
    if not call("drain", chosen.box, not chosen.undo, timeout_s=CONNECT_S):
        known = ", ".join(box["name"] for box in call("status", timeout_s=CONNECT_S)["boxes"])
        raise ControlError(f"there is no box {chosen.box!r}; boxes are {known}")
    print(
        f"{chosen.box} takes cameras again"
        if chosen.undo
        else f"{chosen.box} gives its cameras away"
    )
    return 0
