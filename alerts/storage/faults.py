"""What is wrong with what is kept on disk: said once in the log, shown in health, counted.

One place for all files of the state directory, each under a name of `FILES`. Nothing here touches
a disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

FILES: Final = ("outbox", "calibration", "control", "journal", "zones")
"""The store; what cameras have learnt; the control socket; the journal behind the store; the zones
that were drawn in the console."""

LOST: Final = ("incident", "refused", "unreadable", "journal")
"""What may have to be given up, each beyond a bound that is stated where it is kept."""

_FAILS: Final = {
    "outbox": "cannot write to disk, only memory holds what is new; check the disk",
    "journal": "cannot write the journal; what it lacks is kept here and written later",
    "zones": "cannot read or write the zones that were drawn in the console; check the disk",
}
_WORKS: Final = {
    "outbox": "the disk works again, all that memory held is written",
    "journal": "the journal can be written again",
    "zones": "the zones that were drawn in the console can be written again",
}


class Gauges(Protocol):
    """The metrics of storage, as `alerts.metrics.AlertMetrics` has them."""

    def show_storage(self, file: str, failing: Callable[[], bool]) -> None:
        """Show whether `file` fails, read at each scrape."""

    def count_set_aside(self, file: str) -> None:
        """One file more was set aside."""

    def count_lost(self, what: str, count: int) -> None:
        """So many of `LOST` more were given up."""


class StorageFaults:
    """What is wrong now. Thread-safe; never waits."""

    def __init__(self, metrics: Gauges | None = None) -> None:
        self._mutex = threading.Lock()
        self._metrics = metrics
        self._failing: dict[str, str] = {}
        self._probes: dict[str, Callable[[], str | None]] = {}
        self._aside: list[str] = []
        if metrics:
            for file in FILES:
                metrics.show_storage(file, partial(self._is_failing, file))

    def watch(self, file: str, probe: Callable[[], str | None]) -> None:
        """Ask `probe` too, whether and why `file` fails: for a disk that does not answer."""
        self._probes[file] = probe

    def fails(self, file: str, path: Path | str, reason: str) -> None:
        """`path` cannot be read or written; named in the log, once until it works again."""
        with self._mutex:
            before = self._failing.get(file)
            self._failing[file] = reason
        if before is None:
            _log().error(_FAILS.get(file, _FAILS["outbox"]), file=str(path), reason=reason)

    def works(self, file: str, path: Path | str) -> None:
        """`path` was read or written; said in the log where it failed before."""
        with self._mutex:
            before = self._failing.pop(file, None)
        if before is not None:
            _log().info(_WORKS.get(file, _WORKS["outbox"]), file=str(path))

    def set_aside(self, file: str, path: Path, kept_as: Path, reason: str) -> None:
        """What was found at `path` is kept under another name, and a new file begun."""
        with self._mutex:
            self._aside.append(f"{path.name} could not be used ({reason}), kept as {kept_as.name}")
        _log().error(
            "file cannot be used, set aside and a new one begun; what it holds is not lost",
            file=str(path),
            kept_as=str(kept_as),
            reason=reason,
        )
        if self._metrics:
            self._metrics.count_set_aside(file)

    def unread(self, path: Path, reason: str) -> None:
        """What is at `path` cannot be read; it stays there."""
        with self._mutex:
            self._aside.append(f"{path.name} cannot be read ({reason})")
        _log().error("file cannot be read", file=str(path), reason=reason)

    def lost(self, what: str, count: int) -> None:
        """So many of `what` (one of `LOST`) were given up."""
        _log().error("given up, for memory is bounded", what=what, count=count)
        if self._metrics:
            self._metrics.count_lost(what, count)

    def failing(self, file: str) -> str | None:
        """Why `file` fails now; None where it works."""
        probe = self._probes.get(file)
        with self._mutex:
            reason = self._failing.get(file)
        return reason or (probe() if probe else None)

    def _is_failing(self, file: str) -> bool:
        return self.failing(file) is not None

    def reasons(self) -> list[str]:
        """What is wrong, in sentences for people, each beginning with `storage: `."""
        with self._mutex:
            aside = list(self._aside)
        failing = [f"{file}: {why}" for file in FILES if (why := self.failing(file))]
        return [f"storage: {text}" for text in failing + aside]


def _log() -> Any:
    from structlog import get_logger  # noqa: PLC0415 - `jikimi status` need not wait for it

    return get_logger()
