"""Metrics of what is kept of incidents: asked for at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from alerts.metric_families import PREFIX
from detector.capture.kept.ring import PacketRing
from detector.evidence.record import Kind
from detector.evidence.recorder import EvidenceRecorder


class EvidenceMetrics(Collector):
    """A collector for a registry."""

    def __init__(
        self, recorder: EvidenceRecorder, rings: Callable[[], Mapping[str, PacketRing]]
    ) -> None:
        """`rings`: of each camera, by its name."""
        self._recorder = recorder
        self._rings = rings

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """What holds now."""
        ring = GaugeMetricFamily(
            f"{PREFIX}evidence_ring_bytes",
            "Memory that a camera's newest packets take, kept for clips",
            labels=["camera"],
        )
        for camera, kept in self._rings().items():
            ring.add_metric([camera], kept.bytes)
        yield ring
        yield GaugeMetricFamily(
            f"{PREFIX}evidence_stored_bytes",
            "What stills and clips take on disk",
            value=self._recorder.stored_bytes,
        )
        files = CounterMetricFamily(
            f"{PREFIX}evidence_files", "Files of evidence written, by kind", labels=["kind"]
        )
        lost = CounterMetricFamily(
            f"{PREFIX}evidence_lost",
            "Times that evidence could not be written, by kind; the log says what and why",
            labels=["kind"],
        )
        for kind in Kind:
            files.add_metric([kind.value], self._recorder.stored[kind.value])
            lost.add_metric([kind.value], self._recorder.lost[kind.value])
        yield files
        yield lost
