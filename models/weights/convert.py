"""From a Keras network to LiteRT files: float32, or with whole numbers inside."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOAT_LAYERS = 11
"""First layers that keep float32 in an int8 network, at 0.001 of AUC lost (0.008 with none)."""


def converter_of(network: Any) -> Any:
    """A converter to LiteRT: float32 in and out, any batch size."""
    import tensorflow as tf  # noqa: PLC0415 (seconds to import, and only training has it)
    from tensorflow.python.framework.convert_to_constants import (  # noqa: PLC0415
        convert_variables_to_constants_v2,
    )

    # A batch of None is written as 1 and can be resized. Frozen, because variables left in
    # make some models fail only when they are invoked.
    signature = tf.TensorSpec([None, *network.input_shape[1:]], tf.float32, name="views")
    traced = tf.function(lambda views: network(views, training=False)).get_concrete_function(
        signature
    )
    frozen = convert_variables_to_constants_v2(traced)
    return tf.lite.TFLiteConverter.from_concrete_functions([frozen])


def to_litert(network: Any) -> bytes:
    """The network as a .tflite with float32 throughout."""
    return bytes(converter_of(network).convert())


def to_int8(network: Any, views: NDArray[np.float32]) -> bytes:
    """The network with whole numbers inside but for its first layers, float32 in and out.

    `views` [n, 96, 96, 3]: real ones, of many scenes, that set the range of every layer.
    """
    import tensorflow as tf  # noqa: PLC0415 (seconds to import, and only training has it)

    def debugger(kept: list[str]) -> Any:
        converter = converter_of(network)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([view[None]] for view in views)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        # the converter itself can leave no layer out
        return tf.lite.experimental.QuantizationDebugger(
            converter=converter,
            debug_dataset=lambda: ([view[None]] for view in views[:1]),
            debug_options=tf.lite.experimental.QuantizationDebugOptions(denylisted_nodes=kept),
        )

    whole = debugger([])
    whole.run()
    table = io.StringIO()
    whole.layer_statistics_dump(table)
    table.seek(0)
    names = [row["tensor_name"] for row in csv.DictReader(table)]
    return bytes(debugger(names[:FLOAT_LAYERS]).get_nondebug_quantized_model())
