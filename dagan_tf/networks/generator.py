"""The generator: a backbone's feature maps, then dual attention, then the image."""

import keras
from keras import ops

from dagan_tf.backend import check_settings
from dagan_tf.config import ModelConfig
from dagan_tf.errors import check_choice
from dagan_tf.layers.activation import leaky_relu
from dagan_tf.layers.attention import DualAttention
from dagan_tf.layers.initializers import xavier
from dagan_tf.networks.backbones import backbone_class
from dagan_tf.networks.keras_files import KerasFiles
from dagan_tf.semantics import Semantics

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
"""The dtype policy of a folded generator for each precision of `config.PRECISIONS`."""


class _LabelMapToImage(KerasFiles):
    """The common base of `Generator` and `FoldedGenerator`: all but the backbone's class.

    Args:
        config: a `ModelConfig`.
        semantics: how the label map is read, see `Semantics`: "auto", "dense" or "patch_table".
        backbone: the backbone; `None`: a fresh one.
    """

    def __init__(self, config, semantics="auto", backbone=None, **kwargs):
        check_settings()
        # Label maps may be floats: Keras would round their ids to those of the compute dtype.
        super().__init__(autocast=False, **kwargs)
        self.config = config
        self.semantics = semantics
        self.supports_jit = semantics != "patch_table"  # Keras compiles with XLA on GPUs what does
        policy = self.dtype_policy
        self.backbone = backbone or self.backbone_class(config)(config, name="backbone", dtype=policy)
        self.attention = DualAttention(
            config.attention, config.cam_levels, config.cam_filters, name="attention", dtype=policy
        )
        conv = {"padding": "same", "kernel_initializer": xavier(), "dtype": policy}
        self.conv_img = keras.layers.Conv2D(3, 3, name="conv_img", **conv)
        self.build()

    def build(self, input_shape=None):
        if self.built:
            return
        if not self.backbone.built:
            self.backbone.build()
        height, width = self.config.image_size
        shapes = [(None, height // s.factor, width // s.factor, s.filters) for s in self.backbone.stages]
        self.attention.build(shapes)
        self.conv_img.build(shapes[-1])
        self.built = True

    @staticmethod
    def backbone_class(config):
        """The class of the backbone."""
        return backbone_class(config.backbone)

    def read(self, inputs):
        """The `Semantics` of a batch dictionary, or of label maps alone, see the class."""
        return Semantics.from_inputs(inputs, self.config, self.compute_dtype, self.semantics)

    def to_image(self, features):
        """Dual attention, last convolution and tanh of the backbone's features: float32 (B, H, W, 3) in [-1, 1]."""
        x = leaky_relu(self.attention(features))
        return ops.tanh(ops.cast(self.conv_img(x), "float32"))

    def attention_maps(self, features):
        """What the dual attention of the backbone's features looks at: a dictionary with what the configuration has of
        `"spatial_attention"` (B, H, W, 1), the gate of Eq. 3, and `"channel_weights"` (B, C), that of Eq. 7.
        """
        last, maps = features[-1], {}
        if self.attention.sam:
            maps["spatial_attention"] = self.attention.sam.attention_map(last)
        if self.attention.cam:
            gate = self.attention.cam.channel_weights(self.attention.fusion(features), last)
            maps["channel_weights"] = gate[:, 0, 0, :]
        return maps

    def compute_output_shape(self, input_shape):
        label = input_shape["label"] if isinstance(input_shape, dict) else input_shape
        return (*label[:3], 3)

    def export(self, filepath, format="tf_saved_model", labels=None, **kwargs):
        """Exports the generator for inference.

        Args:
            filepath: a folder that is made, for "tf_saved_model"; else a file.
            format: "tf_saved_model" for what `python -m dagan_tf.export` writes, with its signatures, warm-up requests
                and model card, or "onnx", which needs the extra `onnx`.
            labels: the `LabelSpec` of the label files that the signature `png` reads; `None`: ids are classes.
            **kwargs: of `keras.Model.export`, for ONNX.

        Raises:
            UserError: a package is missing, or the file cannot be written.
        """
        from dagan_tf.exports import keras_export  # above the networks, where Keras has this method

        return keras_export.export(self, filepath, format, labels, **kwargs)

    def get_config(self):
        return {**super().get_config(), "config": self.config.to_dict(), "semantics": self.semantics}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "config": ModelConfig.from_dict(config["config"])})


@keras.saving.register_keras_serializable(package="dagan_tf")
class FoldedGenerator(_LabelMapToImage):
    """A `Generator` for inference, without u, v, sigma and running statistics: what is exported. It does not train.

    Arguments and call are those of `Generator`, but there is no `training`.
    """

    @staticmethod
    def backbone_class(config):
        return backbone_class(config.backbone).folded_class

    def features(self, inputs):
        """The backbone's feature maps, see `Generator.features`."""
        return self.backbone(semantics=self.read(inputs))

    def call(self, inputs):
        return self.to_image(self.features(inputs))


@keras.saving.register_keras_serializable(package="dagan_tf")
class Generator(_LabelMapToImage):
    """Label map to image: a backbone, by default GauGAN's, with dual attention before the last convolution.

    Source: DAGAN (Tang, Bai, Sebe, 2020), Section 3 and Figure 2. The weights exist when the constructor returns.

    Args:
        config: a `ModelConfig`.
        semantics: how the label map is read, see `Semantics`: "auto", "dense" or "patch_table".

    Call: a dictionary with `"label"`, integers (B, H, W) in 0..num_classes-1, and, if the configuration uses
    instance edges, `"instance"`, integers (B, H, W); or the label maps alone where it uses none. Maps may have a last
    axis of 1, and be of any dtype that holds them, see `semantics.inputs.label_maps`; ids outside the classes are
    pixels without one (`DAGAN` and exported models check values). Returns float32 (B, H, W, 3) in [-1, 1].
    """

    def features(self, inputs, training=False):
        """The feature maps F_1 .. F_l of the paper: a list of (B, H/factor, W/factor, filters), see
        `backbone.stages`."""
        return self.backbone(semantics=self.read(inputs), training=training)

    def draw(self, semantics, training=False):
        """The image of a `Semantics`, for several networks that read the same: float32 (B, H, W, 3) in [-1, 1]."""
        return self.to_image(self.backbone(semantics=semantics, training=training))

    def call(self, inputs, training=False):
        return self.draw(self.read(inputs), training=training)

    def folded(self, precision="float32", image_size=None, semantics=None):
        """The `FoldedGenerator` that computes the same function; this generator is not changed.

        Args:
            precision: "float32" or "bfloat16": in which its large kernels are stored and multiplied, and its feature
                maps kept; sums of products, modulation and tanh are in float32 either way.
            image_size, semantics: those of the result; `None`: this generator's own.

        Raises:
            UserError: the depth does not allow the size.
        """
        check_choice("precision", precision, tuple(POLICIES))
        config, policy = self.config.replace(image_size=image_size or self.config.image_size), POLICIES[precision]
        backbone = self.backbone.folded(config, policy)
        result = FoldedGenerator(config, semantics or self.semantics, backbone, name="generator", dtype=policy)
        for name in ("attention", "conv_img"):
            for target, source in zip(getattr(result, name).weights, getattr(self, name).weights, strict=True):
                target.assign(source)
        return result
