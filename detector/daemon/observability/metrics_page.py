"""Writes deploy/METRICS.md, the list of metrics, to standard output: `make metrics`.

The daemon does not import this.
"""

from __future__ import annotations

import sys
from pathlib import Path

from prometheus_client import CollectorRegistry

from alerts.liveness import LiveThread
from alerts.metrics import AlertMetrics
from config.settings import EvidenceSettings
from detector.capture.kept.ring import PacketRing, RingBudget
from detector.daemon.observability.cluster_file import as_written
from detector.daemon.observability.cluster_metrics import ClusterMetrics
from detector.daemon.observability.evidence_metrics import EvidenceMetrics
from detector.daemon.observability.log_writer import LogWriter
from detector.daemon.observability.metrics import DetectorMetrics
from detector.daemon.observability.thread_metrics import ThreadMetrics
from detector.daemon.supervisor import Supervisor
from detector.evidence.collector import Origin
from detector.evidence.recorder import EvidenceRecorder

DOCUMENT_HEAD = """\
# Metrics

What `/metrics` shows of Jikimi, beside the usual `process_` and `python_` metrics. Written by
`make metrics`; a histogram has the usual `_bucket`, `_count` and `_sum`.

"""


def describe(registry: CollectorRegistry) -> str:
    """A Markdown table of the `jikimi_` metrics in `registry`: name, type, labels, meaning.

    Labels are those of the series that exist; one with several values shows them.
    """
    rows = ["| name | type | labels | meaning |", "|---|---|---|---|"]
    for metric in sorted(registry.collect(), key=lambda metric: metric.name):
        if metric.name.startswith("jikimi_"):
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            values: dict[str, list[str]] = {}
            for sample in metric.samples:
                for label, value in sample.labels.items():
                    if label != "le" and value not in values.setdefault(label, []):
                        values[label].append(value)
            labels = ", ".join(
                f"{label} ({', '.join(seen)})" if len(seen) > 1 else label
                for label, seen in values.items()
            )
            rows.append(f"| `{name}` | {metric.type} | {labels} | {metric.documentation} |")
    return "\n".join(rows) + "\n"


def example() -> CollectorRegistry:
    """One of each series that the daemon can show."""
    registry = CollectorRegistry()
    metrics = DetectorMetrics(registry)
    metrics.build.labels("", "", "")
    metrics.add_camera("gate", "default", ["violence"])
    threads = [LiveThread("", lambda: None)]
    supervisor = Supervisor(lambda: threads)
    registry.register(ThreadMetrics(lambda: threads, supervisor, LogWriter(None, None)))
    evidence = EvidenceRecorder(EvidenceSettings(), Path(), Origin("", "", ""))
    rings = {"gate": PacketRing(0.0, RingBudget())}
    registry.register(EvidenceMetrics(evidence, lambda: rings))
    states = dict.fromkeys(("works", "draining", "dead"), 0)
    summary = {"boxes": states, "unassigned": 0, "head_room": True, "load": 0.0, "targets": {}}
    registry.register(ClusterMetrics(lambda: as_written("", summary)))
    alerts = AlertMetrics(registry)
    alerts.add_sink("police", lambda: 0.0, lambda: 0.0, lambda: 0.0, lambda: False)
    alerts.show_expiry("police", lambda: 0.0)
    return registry


def document() -> str:
    """The page `deploy/METRICS.md`."""
    return DOCUMENT_HEAD + describe(example())


if __name__ == "__main__":
    sys.stdout.write(document())
