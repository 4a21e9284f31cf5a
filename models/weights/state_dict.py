"""Weights that PyTorch saved (`torch.save` of a state dict), read without PyTorch.

Such a file is a zip of one pickle and one blob a tensor. A pickle can run anything, so the four
names that a state dict needs are known here, and every other is refused.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.errors import ModelError

StateDict = dict[str, NDArray[Any]]
"""Tensors by name, as PyTorch lays them out (convolutions: [out, in, time, height, width])."""


def read_state_dict(path: Path) -> StateDict:
    """The tensors in `path`; raises ModelError where it is no state dict."""
    try:
        with zipfile.ZipFile(path) as archive:
            pickled = next((n for n in archive.namelist() if n.endswith("/data.pkl")), None)
            if pickled is None:
                raise ModelError(f"{path}: holds no data.pkl; torch.save writes one")
            with archive.open(pickled) as file:
                found = _Unpickler(file, archive, pickled.removesuffix("data.pkl")).load()
    except (OSError, zipfile.BadZipFile, pickle.UnpicklingError, KeyError, EOFError) as error:
        raise ModelError(f"{path}: cannot be read as a PyTorch state dict ({error})") from error
    if not isinstance(found, dict) or not all(isinstance(v, np.ndarray) for v in found.values()):
        raise ModelError(f"{path}: holds something else than tensors by name")
    return dict(found)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, archive: zipfile.ZipFile, prefix: str) -> None:
        super().__init__(file)
        self._archive = archive
        self._prefix = prefix

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch", "FloatStorage"): np.dtype("<f4"),
            ("torch", "LongStorage"): np.dtype("<i8"),
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a state dict")
        return known[module, name]

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        _, dtype, key, _, count = pid
        return np.frombuffer(self._archive.read(f"{self._prefix}data/{key}"), dtype, count)


def _tensor(
    storage: NDArray[Any], offset: int, size: Sequence[int], stride: Sequence[int], *_: Any
) -> NDArray[Any]:
    steps = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps).copy()
