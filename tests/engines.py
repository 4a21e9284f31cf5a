"""An engine without a network, for what is about something else."""

from __future__ import annotations

import numpy as np

from detector.inference.engine import Floats


class MeanEngine:
    """Gives the mean of each view."""

    name = "mean"

    def embed(self, views: Floats) -> Floats:
        """Views [n, 96, 96, 3] → [n, 1], the mean of the absolute pixels."""
        return np.asarray(np.abs(views).mean(axis=(1, 2, 3))[:, None], np.float32)
