"""Weights that PyTorch saved are read without it, and nothing in them is run."""

from __future__ import annotations

import io
import pickle
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from config.errors import ModelError
from models.weights.state_dict import read_state_dict

Save = Callable[[Mapping[str, Any]], Path]


class _Storage:
    def __init__(self, key: str, values: Any) -> None:
        self.key = key
        self.values = values


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Save:
    """Writes as `torch.save` does: a zip of a pickle, and a blob for each tensor's storage."""
    torch, utils = ModuleType("torch"), ModuleType("torch._utils")
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})  # type: ignore[attr-defined]
    torch.LongStorage = type("LongStorage", (), {"__module__": "torch"})  # type: ignore[attr-defined]

    def rebuild(*_: Any) -> None:
        """Only its name is written."""

    rebuild.__module__ = "torch._utils"
    rebuild.__qualname__ = rebuild.__name__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = rebuild  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)

    class Pickler(pickle.Pickler):
        def persistent_id(self, found: Any) -> Any:
            if not isinstance(found, _Storage):
                return None
            kind = "FloatStorage" if found.values.dtype == np.float32 else "LongStorage"
            return ("storage", getattr(torch, kind), found.key, "cpu", found.values.size)

        def reducer_override(self, found: Any) -> Any:
            if not isinstance(found, np.ndarray):
                return NotImplemented
            storage = _Storage(str(len(blobs)), found.base if found.base is not None else found)
            blobs.append(storage)
            steps = tuple(step // found.itemsize for step in found.strides)
            return rebuild, (storage, 0, found.shape, steps, False, OrderedDict())

    blobs: list[_Storage] = []

    def write(tensors: Mapping[str, Any]) -> Path:
        pickled = io.BytesIO()
        Pickler(pickled, 2).dump(tensors)
        path = tmp_path / "weights.pth"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickled.getvalue())
            for storage in blobs:
                archive.writestr(f"archive/data/{storage.key}", storage.values.tobytes())
        return path

    return write


def test_tensors_come_back_with_shape_and_kind(save: Save) -> None:
    values = np.arange(24, dtype=np.float32)
    written: OrderedDict[str, Any] = OrderedDict(
        {"a": values.reshape(2, 3, 4), "b": values.reshape(4, 6).T, "n": np.array(7, np.int64)}
    )
    found = read_state_dict(save(written))
    assert list(found) == ["a", "b", "n"]
    for name, tensor in written.items():
        np.testing.assert_array_equal(found[name], tensor)
        assert found[name].dtype == tensor.dtype


class _Harm:
    def __reduce__(self) -> Any:
        return print, ("harm",)


def test_a_pickle_that_would_run_something_is_refused(
    save: Save, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelError, match=r"weights\.pth.*print has no place in a state dict"):
        read_state_dict(save({"a": _Harm()}))
    assert "harm" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"no zip"])
def test_another_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"other\.pth: cannot be read as a PyTorch state dict"):
        read_state_dict(path)


def test_a_whole_model_is_no_state_dict(save: Save) -> None:
    with pytest.raises(ModelError, match="something else than tensors by name"):
        read_state_dict(save({"epoch": 3}))
