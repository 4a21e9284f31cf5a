"""From a Keras network to LiteRT files: float32, or with whole numbers inside."""

from __future__ import annotations

from typing import Any


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
