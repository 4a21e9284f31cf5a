"""The network that turns a motion view into an embedding: a cut MobileNetV2.

Features of ImageNet up to `block_13_expand_relu` ranked fights better than deeper ones. Needs
TensorFlow (`make train-env`).
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from config.errors import ModelError
from detector.inference.head import LinearHead
from detector.motion.view import VIEW_SIDE

CUT_LAYER = "block_13_expand_relu"
"""Last layer kept: [6, 6, 576] for a view of 96×96."""

NAME = "mobilenetv2-block13"

DROPOUT = 0.2

IMAGENET = "imagenet"

DOWNLOAD_TIMEOUT_S = 30.0
"""Of silence; Keras alone would wait for ever."""


def embedding_network(pretrained: str) -> Any:
    """A Keras model from views [n, 96, 96, 3] in −1…1 to embeddings [n, 576], both float32.

    `pretrained`: as of `backbone`, or a Keras file of such an embedding network itself.
    """
    import keras  # noqa: PLC0415 (four seconds, and only training has it)

    if pretrained.endswith(".keras"):
        return keras.models.load_model(pretrained, compile=False)
    network = backbone(pretrained)
    pooled = keras.layers.GlobalAveragePooling2D()(network.get_layer(CUT_LAYER).output)
    embedding = keras.Model(network.input, pooled, name="embedding")
    embedding.trainable = False
    return embedding


def backbone(pretrained: str) -> Any:
    """The whole MobileNetV2 but for its top.

    `pretrained`: a weights file of `keras.applications.MobileNetV2` (α = 1, no top), or
    "imagenet" to have Keras fetch its own. Raises ModelError where the file does not fit.
    """
    check_pretrained(pretrained)
    if pretrained == IMAGENET:
        return _fetched()
    network = _mobilenet(None)
    try:
        network.load_weights(pretrained)
    except (ValueError, OSError) as error:
        raise ModelError(f"{pretrained}: not weights of MobileNetV2 α=1 ({error})") from error
    return network


def check_pretrained(pretrained: str) -> None:
    """Raise ModelError where `pretrained` is neither a file nor the word imagenet."""
    if pretrained != IMAGENET and not Path(pretrained).is_file():
        raise ModelError(f"{pretrained}: no such weights file; give one, or the word imagenet")


def _fetched() -> Any:
    """MobileNetV2 with the weights that Keras downloads once, and then keeps."""
    usual_s = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_S)
    try:
        return _mobilenet(IMAGENET)
    except Exception as error:  # Keras raises nothing narrower where a download fails
        raise ModelError(
            f"imagenet: Keras cannot download its weights ({error}); without internet give a "
            "MobileNetV2 weights file (--pretrained FILE.h5), or take the shipped network "
            "(--pretrained shipped)"
        ) from error
    finally:
        socket.setdefaulttimeout(usual_s)


def _mobilenet(weights: str | None) -> Any:
    import keras  # noqa: PLC0415 (four seconds, and only training has it)

    return keras.applications.MobileNetV2(
        input_shape=(VIEW_SIDE, VIEW_SIDE, 3), alpha=1.0, include_top=False, weights=weights
    )


def train_from(network: Any, layer: str) -> None:
    """Let the layers of `network` learn from the first on whose name begins with `layer`.

    Batch norms stay frozen. Raises ModelError where there is no such layer.
    """
    import keras  # noqa: PLC0415 (four seconds, and only training has it)

    names = [own.name for own in network.layers]
    first = next((i for i, name in enumerate(names) if name.startswith(layer)), None)
    if first is None:
        blocks = dict.fromkeys(name.partition("_expand")[0] for name in names if "_expand" in name)
        raise ModelError(f"no layer {layer!r} in the network; it has Conv1, {', '.join(blocks)}")
    network.trainable = True
    for number, own in enumerate(network.layers):
        frozen = number < first or isinstance(own, keras.layers.BatchNormalization)
        own.trainable = not frozen


def with_head(network: Any, head: LinearHead, decay: float) -> Any:
    """A Keras model from views to logits [n, labels]: the network, then `head` as its layers.

    `decay`: of the head's L2 penalty, half the sum of its squared weights times this.
    """
    import keras  # noqa: PLC0415 (four seconds, and only training has it)

    standard = keras.layers.Normalization(mean=head.mean, variance=head.scale**2)
    dense = keras.layers.Dense(
        len(head.labels), kernel_regularizer=keras.regularizers.L2(decay / 2), name="head"
    )
    outputs = dense(keras.layers.Dropout(DROPOUT)(standard(network.output)))
    dense.set_weights([head.weight, head.bias])
    return keras.Model(network.input, outputs)
