"""A video network on LiteRT: from a window to its embedding and its own opinion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from config.errors import ModelError
from detector.inference.engine import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the network makes of one window.

    `embedding`: [d] float32. `logits`: [classes] float32, of the classes it was trained on.
    """

    embedding: Floats
    logits: Floats


class VideoEngine:
    """One interpreter, for one thread; a window at a time, for two cost twice as much.

    `frames`, `side`: of its windows. `numbers`, `classes`: of an embedding and of the logits.
    """

    def __init__(self, model: Path, threads: int = 1) -> None:
        """Load `model` (.tflite); raises ModelError where LiteRT cannot run it."""
        try:
            self._interpreter = Interpreter(model_path=str(model), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{model}: LiteRT cannot run this model ({error})") from error
        [entry] = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        if entry["dtype"] is not np.uint8 or len(entry["shape"]) != 4 or len(outputs) != 2:
            raise ModelError(
                f"{model}: not a video network, which takes a window [frames, side, side, 3] uint8 "
                "and gives an embedding and logits"
            )
        self._entry: int = entry["index"]
        self._outputs: list[int] = [output["index"] for output in outputs]
        self.frames = int(entry["shape"][0])
        self.side = int(entry["shape"][1])
        self.numbers = int(outputs[0]["shape"][-1])
        self.classes = int(outputs[1]["shape"][-1])

    def look(self, window: NDArray[np.uint8]) -> Seen:
        """What it makes of `window`, [frames, side, side, 3] uint8 RGB."""
        self._interpreter.set_tensor(self._entry, window)
        self._interpreter.invoke()
        found: list[Any] = [self._interpreter.get_tensor(index)[0] for index in self._outputs]
        return Seen(np.asarray(found[0], np.float32), np.asarray(found[1], np.float32))
