"""The generator: a walk up the semantic levels by SPADE residual blocks, then dual attention, then the image."""

from typing import NamedTuple

import keras
from keras import ops

from dagan_tf.config import ModelConfig
from dagan_tf.layers.attention import DualAttention
from dagan_tf.layers.initializers import xavier
from dagan_tf.layers.spade import NEGATIVE_SLOPE, SPADEResBlock
from dagan_tf.semantics import Semantics


class Stage(NamedTuple):
    """One residual block of the generator."""

    name: str
    filters: int
    factor: int
    """Size of the image over the size of the block's output."""


def stages(config):
    """The generator's residual blocks from coarse to fine, as the release lays them out: a list of `Stage`."""
    w = config.base_filters
    plan = [("head_0", 16 * w, False), ("middle_0", 16 * w, True), ("middle_1", 16 * w, config.depth != "normal")]
    plan += [("up_0", 8 * w, True), ("up_1", 4 * w, True), ("up_2", 2 * w, True), ("up_3", w, True)]
    if config.depth == "most":
        plan.append(("up_4", w // 2, True))
    factor, result = 2**config.upsamplings, []
    for name, filters, doubles in plan:
        factor //= 2 if doubles else 1
        result.append(Stage(name, filters, factor))
    return result


@keras.saving.register_keras_serializable(package="dagan_tf")
class Generator(keras.Model):
    """Label map to image: the GauGAN generator with dual attention before the last convolution.

    Source: DAGAN (Tang, Bai, Sebe, 2020), Section 3 and Figure 2; layout of the blocks as in the release. The weights
    exist when the constructor returns.

    Args:
        config: a `ModelConfig`.
        semantics: how the label map is read, see `Semantics`: "auto", "dense" or "patch_table".
        folded: its spectrally normalised kernels hold W/sigma: for inference only, see `networks.folding`.

    Call: a dictionary with `"label"`, integers (B, H, W) in 0..num_classes-1, and, if the configuration uses
    instance edges, `"instance"`, integers (B, H, W). Returns float32 (B, H, W, 3) in [-1, 1].
    """

    def __init__(self, config, semantics="auto", folded=False, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.semantics = semantics
        self.supports_jit = semantics != "patch_table"  # Keras compiles with XLA on GPUs what does
        self.folded = folded
        self.stages = stages(config)
        policy = self.dtype_policy
        conv = {"padding": "same", "kernel_initializer": xavier(), "dtype": policy}
        self.fc = keras.layers.Conv2D(self.stages[0].filters, 3, name="fc", **conv)
        height, width = config.image_size
        self.sizes = [(height // s.factor, width // s.factor) for s in self.stages]
        block = {
            "semantic_channels": config.semantic_channels,
            "hidden_filters": config.spade_filters,
            "folded": folded,
        }
        self.blocks = [
            SPADEResBlock(s.filters, size=size, name=s.name, dtype=policy, **block)
            for s, size in zip(self.stages, self.sizes, strict=True)
        ]
        self.attention = DualAttention(
            config.attention, config.cam_levels, config.cam_filters, name="attention", dtype=policy
        )
        self.conv_img = keras.layers.Conv2D(3, 3, name="conv_img", **conv)
        self.build()

    def build(self, input_shape=None):
        if self.built:
            return
        self.fc.build((None, *self.sizes[0], self.config.semantic_channels))
        shape = (None, *self.sizes[0], self.stages[0].filters)
        shapes = []
        for block in self.blocks:
            block.build(shape)
            shape = block.compute_output_shape(shape)
            shapes.append(shape)
        self.attention.build(shapes)
        self.conv_img.build(shape)
        self.built = True

    def features(self, inputs, training=False):
        """The blocks' outputs F_1 .. F_l of the paper: a list of (B, H/factor, W/factor, filters), see `stages`."""
        semantics = Semantics.from_inputs(inputs, self.config, self.compute_dtype, self.semantics)
        levels = {factor: semantics.level(factor) for factor in {s.factor for s in self.stages}}
        x = levels[self.stages[0].factor].convolve(
            ops.cast(self.fc.kernel, self.compute_dtype), ops.cast(self.fc.bias, self.compute_dtype)
        )
        outputs = []
        for stage, block in zip(self.stages, self.blocks, strict=True):
            x = block(x, levels[stage.factor], training=training)
            outputs.append(x)
        return outputs

    def to_image(self, features):
        """Dual attention, last convolution and tanh of `features`' list: float32 (B, H, W, 3) in [-1, 1]."""
        x = ops.leaky_relu(self.attention(features), NEGATIVE_SLOPE)
        return ops.tanh(ops.cast(self.conv_img(x), "float32"))

    def attention_maps(self, features):
        """What the dual attention of `features`' list looks at: a dictionary with what the configuration has of
        `"spatial_attention"` (B, H, W, 1), the gate of Eq. 3, and `"channel_weights"` (B, C), that of Eq. 7.
        """
        last, maps = features[-1], {}
        if self.attention.sam:
            maps["spatial_attention"] = self.attention.sam.attention_map(last)
        if self.attention.cam:
            gate = self.attention.cam.channel_weights(self.attention.fusion(features), last)
            maps["channel_weights"] = gate[:, 0, 0, :]
        return maps

    def call(self, inputs, training=False):
        return self.to_image(self.features(inputs, training=training))

    def compute_output_shape(self, input_shape):
        return (*input_shape["label"], 3)

    def get_config(self):
        return {
            **super().get_config(),
            "config": self.config.to_dict(),
            "semantics": self.semantics,
            "folded": self.folded,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "config": ModelConfig.from_dict(config["config"])})
