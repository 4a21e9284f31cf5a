"""One box of a cluster: its Ray node, its link to the coordinator, and its daemon.

    box (this process) ─┬─ ray start …                the node
                        ├─ detector.cluster.link      reports and shares
                        └─ jikimi run                 the daemon

This process loads no Ray. The daemon is no Ray worker and no child of one, for Ray ends its own
processes and theirs when a node or the head is lost; so a box that loses its cluster goes on
watching what it had, and alarms go out as ever. What is lost is started anew until it is back.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from structlog import get_logger

from config.errors import ConfigError
from config.secrets import scrub
from detector.cluster.assignment import DEAD_AFTER_S
from detector.cluster.child import Child
from detector.cluster.configuration import Configuration, read_settings
from detector.cluster.roster import REPORT_EVERY_S, Report
from detector.cluster.watching import Watching
from detector.daemon.observability.cluster_file import write_cluster

SHOW_EVERY_S = 5.0
"""So often what the coordinator says of the cluster is written for the daemon and Prometheus."""

log = get_logger()


@dataclass(frozen=True, slots=True)
class BoxOptions:
    """`capacity_ms`: processor milliseconds a second. `sites`: whose cameras it reaches; none: all.

    `node`: the command that is this box's Ray node; None where one runs already. `config`: the
    cluster's configuration, which `Box.reload` reads; only the first box has it.
    """

    name: str
    state_dir: Path
    capacity_ms: float
    sites: frozenset[str]
    link: tuple[str, ...]
    node: tuple[str, ...] | None
    config: Path | None = None


class Box:
    """Runs until told to stop."""

    def __init__(self, options: BoxOptions) -> None:
        self._options = options
        self._node = Child("Ray node", options.node) if options.node else None
        self._link = Child("link", options.link)
        self._watching = Watching(options.name, options.state_dir)
        self._configuration = Configuration("", 0)
        self._send = False
        self._heard_s = float("-inf")
        self._shown_s = float("-inf")
        self._told_last: dict[str, Any] = {}
        self.reload = threading.Event()
        """Set it, and the configuration is read again and handed to all boxes."""

    def run(self, stop: threading.Event) -> None:
        """Report twice a second, and watch what the answer says; until `stop`."""
        try:
            while not stop.is_set():
                began_s = time.monotonic()
                if self._node:
                    self._node.look(began_s)
                self._link.look(began_s)
                self._watching.look(began_s)
                if self.reload.is_set():
                    self.reload.clear()
                    self._read_again()
                if self._watching.works:
                    self._link.send(self._told())
                self._listen(began_s + REPORT_EVERY_S)
        finally:
            if time.monotonic() - self._heard_s > DEAD_AFTER_S:
                self._watching.leave()
            self._watching.close()
            self._link.stop()
            if self._node:
                self._node.stop()

    def _read_again(self) -> None:
        """Have the next report hand over the file as it is now; a wrong one changes nothing."""
        path = self._options.config
        if path is None:
            log.warning("the configuration is the first box's; it is read again there")
            return
        try:
            text = path.read_text("utf-8")
            read_settings(text)
        except (OSError, ValueError, ConfigError) as error:
            log.warning("reload refused, everything stays as it was", error=scrub(str(error)))
            return
        self._configuration = Configuration(text, int(1000 * time.time()))
        self._send = True
        log.info("the configuration goes to all boxes", path=str(path))

    def _told(self) -> dict[str, Any]:
        watching, options = self._watching, self._options
        each_ms = watching.cost_ms
        report = Report(
            options.name,
            options.capacity_ms,
            options.sites,
            watching.held,
            dict.fromkeys(watching.held, each_ms) if each_ms else {},
            watching.live,
            watching.warm,
            port=watching.port,
        )
        told: dict[str, Any] = {
            "report": asdict(report) | {"sites": sorted(report.sites), "live": sorted(report.live)},
            "version": self._configuration.version,
        }
        if self._send:
            told["configuration"] = asdict(self._configuration)
        return told

    def _listen(self, until_s: float) -> None:
        """Take answers until the next report is due."""
        while (left_s := until_s - time.monotonic()) > 0:
            try:
                answer = self._link.answers.get(timeout=left_s)
            except queue.Empty:
                return
            self._heard_s = time.monotonic()
            if ours := answer.get("configuration"):
                self._configuration = Configuration(**ours)
            self._send = answer.get("send", False)
            if watching := answer.get("watching"):  # not with every answer
                self._told_last = {"watching": watching | {"at_s": time.monotonic()}}
                self._shown_s = float("-inf")
            if summary := answer.get("cluster"):
                self._show(summary | self._told_last, time.monotonic())
            if answer["share"] is not None and self._configuration.version:
                self._watching.adopt(self._configuration.text, answer["share"], time.monotonic())

    def _show(self, summary: dict[str, Any], now_s: float) -> None:
        if now_s - self._shown_s < SHOW_EVERY_S:
            return
        self._shown_s = now_s
        self._options.state_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        write_cluster(self._options.state_dir, self._options.name, summary)
