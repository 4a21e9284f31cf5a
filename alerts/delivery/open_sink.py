"""A sink from its making to its close: started, connected, shown the cameras.

Everything but `show`, `watched_elsewhere`, `connected`, `trouble` and `thread` is for the worker's
thread alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from alerts.liveness import LiveThread
from alerts.message import Alert, CameraNotice
from alerts.registry import sink_type
from alerts.sink import (
    CommandedSink,
    CommandHandler,
    ConnectedSink,
    FarSink,
    FarSinks,
    GroupingSink,
    RemarkingSink,
    SharedStateSink,
    Sink,
    StateSink,
    ThreadedSink,
)
from config.settings import SinkSettings

CONNECT_WITHIN_S = 20.0
"""A sink that keeps a connection and has none by then is failing."""

NOT_CONNECTED = f"no connection within {CONNECT_WITHIN_S:.0f} s; check its address and the network"


class OpenSink:
    """Owns one sink of the type that `settings` name; raises ConfigError where it is unknown."""

    def __init__(
        self,
        settings: SinkSettings,
        ready: Callable[[], None],
        wake: Callable[[], None],
        command: CommandHandler,
        far_sinks: FarSinks,
    ) -> None:
        """`ready`: delivering is worth another try; `wake`: there is something to do.

        `command`: runs what the sink is asked for. `far_sinks`: what stands for it where it hangs
        on another box.
        """
        self.sink_class = sink_type(settings.type)
        self._settings = settings
        self._ready = ready
        self._wake = wake
        self._command = command
        self._far_sinks = far_sinks
        self._sink: Sink | FarSink | None = None
        self._started_s: float | None = None
        self._connect_anew = threading.Event()
        self._mutex = threading.Lock()
        self._notices: dict[tuple[str, str], CameraNotice | None] = {}
        self._elsewhere: frozenset[str] = frozenset()
        self._is_told_elsewhere = True

    def start(self) -> bool:
        """Start it where it is not; whether it was. Raises what the sink raises."""
        if self._connect_anew.is_set():
            self._connect_anew.clear()
            own = self.thread
            if own is None or not own.is_alive():
                self._started_s = None
        if self._started_s is not None:
            return False
        if self._sink is None:
            self._sink = self._far_sinks(self._settings) or self.sink_class(
                self._settings.name, self._settings.options
            )
            if isinstance(self._sink, ConnectedSink):
                is_far = isinstance(self._sink, FarSink)
                self._sink.on_ready(self._reached_again if is_far else self._ready)
            if isinstance(self._sink, CommandedSink):
                self._sink.on_command(self._command)
            if own := self.thread:
                own.renew = self._begin_anew
        self._sink.start()
        self._started_s = time.monotonic()
        return True

    def deliver(self, alert: Alert, sent_at: float) -> None:
        """Return once the receiver has acknowledged; raises what the sink raises."""
        assert self._sink is not None
        if isinstance(self._sink, FarSink):
            self._sink.forward(alert, sent_at)
        else:
            self._sink.deliver(alert)

    def deliver_group(self, alerts: Sequence[Alert]) -> None:
        """The same for many at once, of a sink that groups."""
        sink: object = self._sink
        assert isinstance(sink, GroupingSink)
        sink.deliver_group(alerts)

    def remark(self) -> str | None:
        """What there is to say of an exercise that was just delivered."""
        sink: object = self._sink
        return sink.remark() if isinstance(sink, RemarkingSink) else None

    def connected(self) -> bool:
        """Whether the receiver has answered; True for a sink that keeps no connection."""
        sink: object = self._sink
        return not isinstance(sink, ConnectedSink) or sink.connected()

    def trouble(self) -> str | None:
        """Why the receiver cannot be reached now, before an alert has failed by it."""
        sink: object = self._sink
        if not isinstance(sink, ConnectedSink):
            return None
        if trouble := sink.trouble():
            return trouble
        began_s = self._started_s
        is_over = began_s is not None and time.monotonic() - began_s > CONNECT_WITHIN_S
        return NOT_CONNECTED if is_over and not sink.connected() else None

    @property
    def thread(self) -> LiveThread | None:
        """The sink's own thread, beside its worker's."""
        sink: object = self._sink
        return sink.thread if isinstance(sink, ThreadedSink) else None

    def show(self, site: str, camera: str, notice: CameraNotice | None) -> None:
        """Have a sink that shows cameras show this one so, or (None) no longer; the latest wins."""
        if issubclass(self.sink_class, StateSink):
            with self._mutex:
                self._notices[site, camera] = notice
            self._wake()

    def watched_elsewhere(self, cameras: frozenset[str]) -> None:
        """Have a sink that shares what it shows with other boxes leave these to them."""
        if issubclass(self.sink_class, SharedStateSink):
            with self._mutex:
                self._elsewhere, self._is_told_elsewhere = cameras, False
            self._wake()

    def show_cameras(self) -> None:
        """Hand over what `show` and `watched_elsewhere` were told."""
        with self._mutex:
            notices = self._notices
            self._notices = {}
            elsewhere, is_told = self._elsewhere, self._is_told_elsewhere
            self._is_told_elsewhere = True
        sink: object = self._sink
        if isinstance(sink, SharedStateSink) and not is_told:
            sink.watched_elsewhere(elsewhere)
        if isinstance(sink, StateSink):
            for (site, camera), notice in notices.items():
                if camera in elsewhere:
                    continue
                if notice is None:
                    sink.forget_camera(camera, site)
                else:
                    sink.show_camera(notice)

    def close(self) -> None:
        """Close it, where it was made; raises what the sink raises."""
        if self._sink is None:
            return
        if self._started_s is not None:
            self.show_cameras()  # a camera removed just before
        self._sink.close()

    def _reached_again(self) -> None:
        """The other box is back: what failed there was before."""
        self._connect_anew.set()
        self._ready()

    def _begin_anew(self) -> None:
        """The sink's own thread has died: have it started again, by the worker's."""
        if own := self.thread:
            own.adopt(None)
            self._connect_anew.set()
            self._wake()
