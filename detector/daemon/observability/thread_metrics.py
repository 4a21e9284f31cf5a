"""Metrics of the daemon's threads: made when asked for, so none outlives its camera or sink."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from alerts.liveness import LiveThread
from alerts.metric_families import PREFIX
from detector.daemon.observability.log_writer import LogWriter
from detector.daemon.supervisor import Supervisor


class ThreadMetrics(Collector):
    """A collector for a registry."""

    def __init__(
        self,
        threads: Callable[[], Iterable[LiveThread]],
        supervisor: Supervisor,
        log_writer: LogWriter,
    ) -> None:
        self._threads = threads
        self._supervisor = supervisor
        self._log_writer = log_writer

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """What holds now."""
        stuck = GaugeMetricFamily(
            f"{PREFIX}thread_stuck",
            "1 while a thread is dead or makes no progress",
            labels=["thread"],
        )
        restarts = CounterMetricFamily(
            f"{PREFIX}thread_restarts",
            "Times a thread died or hung and another took its place",
            labels=["thread"],
        )
        for thread in self._threads():
            stuck.add_metric([thread.name], self._supervisor.is_faulty(thread))
            restarts.add_metric([thread.name], self._supervisor.restarts(thread.name))
        yield stuck
        yield restarts
        yield CounterMetricFamily(
            f"{PREFIX}log_lines_dropped",
            "Log lines that could not be written or waited for too long",
            value=self._log_writer.dropped,
        )
