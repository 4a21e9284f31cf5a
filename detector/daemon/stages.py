"""Both stages that judge the pictures of cameras, as the weights and the settings want them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from config.errors import ModelError
from config.settings import Settings
from detector.daemon.observability.metrics import DetectorMetrics, LookMetrics, ServeMetrics
from detector.inference.second_look.looking import loaded
from detector.inference.second_look.weights import second_look_rules
from detector.inference.second_look.worker import Looked, SecondLookWorker
from detector.inference.serve_engine import ServeEngine
from detector.inference.serve_protocol import weights_key
from detector.inference.weights import Classifier


def served(classifier: Classifier, settings: Settings, metrics: DetectorMetrics) -> Classifier:
    """With the engine that asks the GPU box, where there is to be one."""
    if settings.engine != "serve" or settings.serve_url is None:
        return classifier
    weights, observer = weights_key(classifier.sidecar), ServeMetrics(metrics)
    engine = ServeEngine(settings.serve_url, weights, classifier.engine, observer)
    return replace(classifier, engine=engine)


def serve_engine_of(classifier: Classifier) -> ServeEngine | None:
    """The engine that asks the GPU box; None where there is none."""
    engine = classifier.engine
    return engine if isinstance(engine, ServeEngine) else None


def second_look_worker(
    classifier: Classifier,
    weights: Path | None,
    on_looked: Callable[[Looked], None],
    metrics: DetectorMetrics,
) -> SecondLookWorker | None:
    """None where the weights have none; one whose files do not fit says so once it starts."""
    if classifier.sidecar.second_look is None:
        return None
    try:
        rules = second_look_rules(weights)
    except ModelError:
        rules = {}
    return SecondLookWorker(rules, partial(loaded, weights), on_looked, LookMetrics(metrics))


def open_thresholds(
    classifier: Classifier, second_look: SecondLookWorker | None
) -> dict[str, float]:
    """By label, what the weights open an incident at."""
    rules = classifier.rules()
    looks = second_look.rules if second_look else {}
    rules |= {label: look.incident for label, look in looks.items()}
    return {label: rule.open_threshold for label, rule in rules.items()}
