"""Prometheus metric families, each declared once with the values of its labels.

From the declarations follow which series to create for a new camera or sink, so that rates and
alerting rules work from the first event, and which to remove with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PREFIX: Final = "jikimi_"

Collector = TypeVar("Collector", Counter, Gauge, Histogram)


@dataclass(frozen=True, slots=True, eq=False)
class _Family:
    collector: Counter | Gauge | Histogram
    labels: Sequence[str]
    values: Mapping[str, Sequence[str]]
    optional: bool


class MetricFamilies:
    """The families declared so far in one registry.

    Names are given without `jikimi_`. `values` names every value of a label that is known when
    the family is declared, such as `reason=("late", "stale")`.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._declared: list[_Family] = []

    def counter(
        self, name: str, text: str, labels: Sequence[str] = (), **values: Sequence[str]
    ) -> Counter:
        """Declare a counter; `name` ends in `_total`."""
        made = Counter(PREFIX + name, text, labels, registry=self._registry)
        return self._declare(made, labels, values)

    def gauge(
        self,
        name: str,
        text: str,
        labels: Sequence[str] = (),
        *,
        optional: bool = False,
        **values: Sequence[str],
    ) -> Gauge:
        """Declare a gauge; not everyone has a series of an `optional` one: `create` skips it."""
        made = Gauge(PREFIX + name, text, labels, registry=self._registry)
        return self._declare(made, labels, values, optional)

    def histogram(
        self, name: str, text: str, labels: Sequence[str] = (), *, buckets: Sequence[float]
    ) -> Histogram:
        """Declare a histogram; `buckets` are upper bounds, in the unit of `name`."""
        made = Histogram(PREFIX + name, text, labels, registry=self._registry, buckets=buckets)
        return self._declare(made, labels, {})

    def create(self, label: str, value: str, /, **others: Sequence[str]) -> None:
        """Create with 0 each series with `label` = `value`, of every family that has `label`.

        `others` names the values of the other labels that are not declared with the family;
        KeyError where one is missing.
        """
        for family in self._with(label):
            if not family.optional:
                known = {**family.values, **others, label: (value,)}
                for series in product(*(known[name] for name in family.labels)):
                    family.collector.labels(*series)

    def remove(self, label: str, value: str) -> None:
        """Remove every series with `label` = `value`, whatever its other labels are."""
        for family in self._with(label):
            family.collector.remove_by_labels({label: value})

    def _declare(
        self,
        made: Collector,
        labels: Sequence[str],
        values: Mapping[str, Sequence[str]],
        optional: bool = False,
    ) -> Collector:
        self._declared.append(_Family(made, labels, values, optional))
        return made

    def _with(self, label: str) -> list[_Family]:
        return [family for family in self._declared if label in family.labels]
