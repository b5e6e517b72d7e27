"""The residual block of SPADE's generator (Park et al., CVPR 2019), trained and folded."""

import keras

from dagan_tf.layers.activation import leaky_relu
from dagan_tf.layers.channels_last import ChannelsLastLayer
from dagan_tf.layers.folded import FoldedConv2D, FoldedSPADE
from dagan_tf.layers.initializers import xavier
from dagan_tf.layers.resize import resize_nearest
from dagan_tf.layers.spade import SPADE, moments_at
from dagan_tf.layers.spectral_norm import SpectralNormConv2D
from dagan_tf.semantics import as_level


class _ResBlock(ChannelsLastLayer):
    """The layers of a block and their names; `_norm` and `_conv` say of which classes they are."""

    def __init__(self, filters, semantic_channels, hidden_filters=128, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.semantic_channels = semantic_channels
        self.hidden_filters = hidden_filters

    def build(self, input_shape):
        channels = input_shape[-1]
        middle = min(channels, self.filters)
        self.norm_0, self.conv_0 = self._branch("0", channels, middle, 3)
        self.norm_1, self.conv_1 = self._branch("1", middle, self.filters, 3)
        self.learned_shortcut = channels != self.filters
        if self.learned_shortcut:
            self.norm_s, self.conv_s = self._branch("s", channels, self.filters, 1)
        self.built = True

    def _branch(self, name, channels, filters, kernel_size):
        policy = self.dtype_policy
        norm = self._norm(self.semantic_channels, self.hidden_filters, name=f"norm_{name}", dtype=policy)
        conv = self._conv(filters, kernel_size, use_bias=kernel_size > 1, name=f"conv_{name}", dtype=policy)
        for layer in (norm, conv):
            layer.build((None, None, None, channels))
        return norm, conv

    def compute_output_shape(self, x_shape, level_shape):
        return (*level_shape[0][:3], self.filters)

    def get_config(self):
        names = ("filters", "semantic_channels", "hidden_filters")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="dagan_tf")
class FoldedSPADEResBlock(_ResBlock):
    """The residual block of `SPADEResBlock` with folded layers: for inference only.

    Args:
        filters, semantic_channels, hidden_filters: as in `SPADEResBlock`.

    Call: `block(x, level)`, x (B, h, w, C). Returns (B, H, W, filters) with the level's size (H, W).
    """

    _norm, _conv = FoldedSPADE, FoldedConv2D

    def call(self, x, level):
        level = as_level(level)
        y = self.conv_0(leaky_relu(self.norm_0(x, level)))
        y = self.conv_1(leaky_relu(self.norm_1(y, level)))
        shortcut = self.conv_s(self.norm_s(x, level)) if self.learned_shortcut else resize_nearest(x, level.size)
        return shortcut + y


@keras.saving.register_keras_serializable(package="dagan_tf")
class SPADEResBlock(_ResBlock):
    """Residual block with SPADE before each spectrally normalised convolution.

    x_s + conv_1(lrelu(norm_1(conv_0(lrelu(norm_0(x)))))), where x_s is x, or conv_s(norm_s(x)) if the number of
    channels changes; x is resized (nearest) to the level's size. Source: Park et al., Figure 4 (left); leaky ReLU 0.2.

    Args:
        filters: output channels; the middle has min(input channels, filters).
        semantic_channels: channels of the level.
        hidden_filters: hidden channels of each SPADE layer.

    Call: `block(x, level)`, x (B, h, w, C). Returns (B, H, W, filters) with the level's size (H, W).
    """

    _norm = SPADE

    @staticmethod
    def _conv(*args, **kwargs):
        return SpectralNormConv2D(*args, kernel_initializer=xavier(), **kwargs)

    def call(self, x, level, training=False):
        level = as_level(level)
        # norm_0 and norm_s have the same input, and so the same statistics.
        options = {"training": training, "moments": moments_at(x, level.size) if training else None}
        y = self.conv_0(leaky_relu(self.norm_0(x, level, **options)), training=training)
        y = self.conv_1(leaky_relu(self.norm_1(y, level, training=training)), training=training)
        if self.learned_shortcut:
            shortcut = self.conv_s(self.norm_s(x, level, **options), training=training)
        else:
            shortcut = resize_nearest(x, level.size)
        return shortcut + y

    def folded(self, dtype=None):
        """The `FoldedSPADEResBlock` that computes what this block computes in inference, with the policy `dtype`."""
        config = (self.filters, self.semantic_channels, self.hidden_filters)
        result = FoldedSPADEResBlock(*config, name=self.name, dtype=dtype)
        result.learned_shortcut = self.learned_shortcut
        for name in ("0", "1", "s") if self.learned_shortcut else ("0", "1"):
            for layer in (f"norm_{name}", f"conv_{name}"):
                with keras.name_scope(self.name):  # as `build` opens it: weights get paths of their own
                    setattr(result, layer, getattr(self, layer).folded(dtype))
        result.built = True
        return result
