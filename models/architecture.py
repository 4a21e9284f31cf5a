"""The network that turns a motion view into an embedding: a cut MobileNetV2, frozen.

Features of ImageNet up to `block_13_expand_relu` ranked fights better than deeper ones, and
no fine-tuning beat them on this little data. Needs TensorFlow (`make train-env`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from config.errors import ModelError
from detector.motion import VIEW_SIDE

CUT_LAYER = "block_13_expand_relu"
"""Last layer kept: [6, 6, 576] for a view of 96×96."""

NAME = "mobilenetv2-block13"


def embedding_network(pretrained: str) -> Any:
    """A Keras model from views [n, 96, 96, 3] in −1…1 to embeddings [n, 576], both float32.

    `pretrained`: a weights file of `keras.applications.MobileNetV2` (α = 1, no top), or
    "imagenet" to have Keras fetch its own. Raises ModelError where the file does not fit.
    """
    import keras  # noqa: PLC0415 (four seconds, and only training has it)

    if pretrained != "imagenet" and not Path(pretrained).is_file():
        raise ModelError(f"{pretrained}: no such weights file; give one, or the word imagenet")
    network = keras.applications.MobileNetV2(
        input_shape=(VIEW_SIDE, VIEW_SIDE, 3),
        alpha=1.0,
        include_top=False,
        weights="imagenet" if pretrained == "imagenet" else None,
    )
    if pretrained != "imagenet":
        try:
            network.load_weights(pretrained)
        except (ValueError, OSError) as error:
            raise ModelError(f"{pretrained}: not weights of MobileNetV2 α=1 ({error})") from error
    pooled = keras.layers.GlobalAveragePooling2D()(network.get_layer(CUT_LAYER).output)
    embedding = keras.Model(network.input, pooled, name="embedding")
    embedding.trainable = False
    return embedding
