"""Which workers run, one a sink: made, exchanged, replaced where one died or hangs, stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import structlog

from alerts.deadline import Deadline
from alerts.delivery.status import SinkState
from alerts.delivery.worker import SinkWorker
from config.settings import SinkSettings


class Workers:
    """The workers of the sinks that are configured. Thread-safe."""

    def __init__(self, make: Callable[[SinkSettings], SinkWorker]) -> None:
        """`make`: a worker of a sink, not started; it is called within `mutex`."""
        self.mutex = threading.RLock()
        """Held by whoever needs `by_name` to stay as it is meanwhile."""
        self.by_name: dict[str, SinkWorker] = {}
        """In the order of the configuration. Exchanged whole: to be read at any time."""
        self._make = make
        self._running = False

    def start(self) -> None:
        """Start every one, and from now on those that come later."""
        with self.mutex:
            self._running = True
            for worker in self.by_name.values():
                worker.start()

    def exchange(
        self, sinks: Sequence[SinkSettings], deadline: Deadline
    ) -> tuple[list[SinkWorker], set[str]]:
        """Have those of `sinks`: the ones that are new, for `start_new`, and the names that left.

        Those whose sink has not changed go on undisturbed; the others are waited for until
        `deadline`. Raises what `make` raises, and changes nothing then.
        """
        with self.mutex:
            fresh: list[SinkWorker] = []
            workers: dict[str, SinkWorker] = {}
            for settings in sinks:
                worker = self.by_name.get(settings.name)
                if worker is None or worker.settings != settings:
                    worker = self._new(settings)
                    fresh.append(worker)
                workers[settings.name] = worker
            leaving = [w for name, w in self.by_name.items() if workers.get(name) is not w]
            gone = self.by_name.keys() - workers.keys()
            self.by_name = workers
        # Old ones first: two owners of one relay pin, or of one MQTT client id, would fight.
        for worker in leaving:
            worker.request_stop()
        _join(leaving, deadline)
        return fresh, gone

    def start_new(self, fresh: Iterable[SinkWorker]) -> None:
        """Start those that `exchange` has made, unless none is to run."""
        with self.mutex:
            for worker in fresh:
                if self._running:
                    worker.start()

    def request_stop(self) -> None:
        """Have every one finish what is under way and close its sink, without waiting."""
        with self.mutex:
            self._running = False
            for worker in self.by_name.values():
                worker.request_stop()

    def join(self, deadline: Deadline) -> None:
        """Wait for all, which were asked to stop, until `deadline`."""
        _join(self.by_name.values(), deadline)

    def is_failing(self, name: str) -> bool:
        """Whether nothing gets through at this sink now; False where there is none."""
        worker = self.by_name.get(name)
        return worker is not None and worker.state is SinkState.FAILING

    def _new(self, settings: SinkSettings) -> SinkWorker:
        worker = self._make(settings)
        worker.thread.renew = partial(self._replace, worker)
        # What acts on hardware has an expiry; two of them would fight over one relay.
        if worker.sink_class.default_expiry_s is None:
            worker.thread.replace = worker.thread.renew
        return worker

    def _replace(self, old: SinkWorker) -> None:
        """Have a new worker with a new sink go on where `old` died, or hangs."""
        name = old.settings.name
        with self.mutex:
            if not self._running or self.by_name.get(name) is not old:
                return
            old.request_stop()
            fresh = self._new(old.settings)
            fresh.take_over(old)
            self.by_name = {**self.by_name, name: fresh}
            fresh.start()


def _join(workers: Iterable[SinkWorker], deadline: Deadline) -> None:
    """Wait for `workers`, which were asked to stop; one that hangs is left behind."""
    for worker in workers:
        if not worker.join(deadline):
            structlog.get_logger().warning(
                "sink did not stop in time, left behind", sink=worker.settings.name
            )
