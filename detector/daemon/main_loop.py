"""The main thread while the daemon runs: twice a second it looks after all else, and heeds signals.

It ends nothing itself: whoever called it stops the parts.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime

from structlog import get_logger

from detector.daemon.observability.systemd import notify, watchdog_interval_s
from detector.daemon.signals import Signals
from detector.daemon.supervisor import Supervisor
from detector.daemon.watched.cameras import Cameras

TICK_S = 0.5
"""How often it looks round."""

SETTLE_S = 5.0
"""The summary waits so long for cameras to connect."""

log = get_logger()


def look_round(
    supervisor: Supervisor,
    cameras: Cameras,
    signals: Signals,
    for_s: float | None,
    on_settled: Callable[[], None] | None,
    *,
    also: Callable[[], None],
    reload: Callable[[], None],
) -> None:
    """Until SIGTERM or SIGINT, or for `for_s` seconds; raises JikimiError as `Supervisor.look`.

    `on_settled` is called once every camera has got somewhere, or after `SETTLE_S`; `also` each
    time, before cameras are looked after; `reload` at SIGHUP.
    """
    started_s = time.monotonic()
    watchdog_s = watchdog_interval_s()
    pinged_s = 0.0
    while True:
        supervisor.look()
        now_s = time.monotonic()
        if for_s is not None and now_s - started_s >= for_s:
            return
        also()
        for camera in cameras.all():
            try:
                camera.tick(now_s, datetime.now(UTC))
            except Exception:
                # One camera's fault must not end the watch of all.
                log.exception("camera not looked after", camera=camera.camera.name)
        if on_settled and (now_s - started_s >= SETTLE_S or cameras.settled):
            on_settled()
            on_settled = None
        if watchdog_s and now_s - pinged_s >= watchdog_s and not supervisor.stuck():
            notify("WATCHDOG=1")
            pinged_s = now_s
        asked = signals.within(TICK_S)
        if asked - {signal.SIGHUP}:
            return
        if asked:
            reload()
