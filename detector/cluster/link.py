"""A box's link to the coordinator: a process of its own, for Ray ends one that loses its cluster.

    python -m detector.cluster.link ADDRESS [CONFIGURATION]

Reports come on standard input, a JSON object a line; the coordinator's answers go to standard
output. With a configuration file, the coordinator is made where there is none, and given that.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from config.errors import ControlError
from detector.cluster.configuration import Configuration
from detector.cluster.coordinator import NAME, NAMESPACE, Coordinator
from detector.cluster.roster import Report

ANSWER_S = 2.0
"""Longer, and the next report is sent instead."""

CONNECT_S = 30.0

GIVES_UP_S = 20.0
"""Unanswered for so long it ends, and is started anew: a head that was started again has another
coordinator. Ray has one that was killed back sooner."""

Call = Callable[..., Any]
"""Calls a method of the coordinator, by name and arguments; raises ControlError."""


def connected(address: str, configuration: Configuration | None = None) -> Call:
    """The coordinator of the Ray cluster at `address`; raises ControlError where there is none.

    `configuration`: what it is given; it is made first where there is none. Raises ConfigError
    where that is wrong.
    """
    try:
        import ray  # noqa: PLC0415 - only who is in a cluster has it
        from ray.exceptions import GetTimeoutError, RayError  # noqa: PLC0415
        from ray.util.scheduling_strategies import (  # noqa: PLC0415
            NodeAffinitySchedulingStrategy,
        )
    except ImportError:
        raise ControlError("a cluster needs Ray; install pip install 'jikimi[cluster]'") from None
    try:
        ray.init(address, namespace=NAMESPACE, log_to_driver=False, logging_level="error")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ControlError(f"no Ray cluster answers at {address} ({error})") from None
    if configuration is not None:
        here = ray.get_runtime_context().get_node_id()
        made = ray.remote(Coordinator).options(
            name=NAME,
            lifetime="detached",
            get_if_exists=True,
            max_restarts=-1,  # for ever
            max_concurrency=8,
            num_cpus=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=True),
        )
        actor = made.remote()
        ray.get(actor.configure.remote(configuration), timeout=CONNECT_S)
    else:
        try:
            actor = ray.get_actor(NAME)
        except ValueError:
            raise ControlError(
                f"the Ray cluster at {address} has no coordinator yet; begin with "
                "`jikimi cluster start --config FILE` on the first box"
            ) from None

    def call(method: str, *arguments: Any, timeout_s: float = ANSWER_S) -> Any:
        try:
            return ray.get(getattr(actor, method).remote(*arguments), timeout=timeout_s)
        except (RayError, GetTimeoutError) as error:
            raise ControlError(f"the coordinator does not answer ({error})") from None

    return call


def main(address: str, config: Path | None) -> None:
    """Hand on reports and answers until standard input ends."""
    configuration = None
    if config is not None:
        configuration = Configuration(config.read_text("utf-8"), int(1000 * time.time()))
    call = connected(address, configuration)
    host = _host()
    answered_s = time.monotonic()
    for line in sys.stdin:
        told = json.loads(line)
        parts = told["report"]
        sets = {key: frozenset(parts[key]) for key in ("sites", "live")}
        report = Report(**parts | sets | {"host": host})
        sent = told.get("configuration")
        try:
            answer = call("report", report, told["version"], sent and Configuration(**sent))
        except ControlError as error:
            if time.monotonic() - answered_s > GIVES_UP_S:
                raise
            sys.stderr.write(f"{error}\n")
            continue
        answered_s = time.monotonic()
        if ours := answer.get("configuration"):
            answer["configuration"] = asdict(ours)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _host() -> str:
    """The address of this box in its cluster."""
    from ray.util import get_node_ip_address  # noqa: PLC0415 - same

    return str(get_node_ip_address())


if __name__ == "__main__":
    try:
        main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    except ControlError as found:
        sys.exit(str(found))
