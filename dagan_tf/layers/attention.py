"""Dual attention (Tang, Bai, Sebe, ACM MM 2020): spatial attention, channel attention and their sum, Eq. 2-9."""

import itertools

import keras
from keras import ops

from dagan_tf.config import ATTENTIONS, CAM_LEVELS
from dagan_tf.errors import UserError, check_choice
from dagan_tf.layers.channels_last import ChannelsLastLayer
from dagan_tf.layers.initializers import xavier
from dagan_tf.layers.resize import resize_nearest


def _conv(filters, kernel_size, name, policy, activation=None, use_bias=True):
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        padding="same",
        activation=activation,
        use_bias=use_bias,
        kernel_initializer=xavier(),
        name=name,
        dtype=policy,
    )


def _sum_resized(maps, size):
    """Sum of maps (B, h_i, w_i, C), each nearest-resized to `size`; at the smaller sizes where that is the same."""
    sizes = [x.shape[1:3] for x in maps] + [tuple(size)]
    steps = itertools.pairwise(sizes)
    if not all(fine % coarse == 0 for step in steps for coarse, fine in zip(*step, strict=True)):
        return sum(resize_nearest(x, size) for x in maps)
    total = maps[0]
    for x in maps[1:]:
        total = resize_nearest(total, x.shape[1:3]) + x
    return resize_nearest(total, size)


@keras.saving.register_keras_serializable(package="dagan_tf")
class SpatialAttention(ChannelsLastLayer):
    """Position-wise spatial attention (SAM), Eq. 2-4: x * sigmoid(conv(concat(mean_C x, max_C x))).

    Args:
        kernel_size: of the convolution, which has no bias (the authors' code: 3).

    Call: x (B, H, W, C). Returns (B, H, W, C).
    """

    def __init__(self, kernel_size=3, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = kernel_size
        self.conv = _conv(1, kernel_size, "conv", self.dtype_policy, activation="sigmoid", use_bias=False)

    def build(self, input_shape):
        self.conv.build((*input_shape[:-1], 2))
        self.built = True

    def attention_map(self, x):
        """The gate of Eq. 3: (B, H, W, 1) in (0, 1)."""
        statistics = [ops.mean(x, axis=-1, keepdims=True), ops.max(x, axis=-1, keepdims=True)]
        return self.conv(ops.concatenate(statistics, axis=-1))

    def call(self, x):
        return x * self.attention_map(x)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}


@keras.saving.register_keras_serializable(package="dagan_tf")
class MultiScaleFusion(ChannelsLastLayer):
    """Fusion of the earlier levels F_1 .. F_(l-1) at the size and width of F_l, Eq. 5.

    `levels="all"` (paper): each level is cut to `reduced_filters` channels by a 1x1 convolution, resized (nearest) to
    F_l, and the concatenation goes through a 1x1 convolution. 1x1 convolutions commute with nearest resizing and a
    convolution of a concatenation is a sum, so all of it is computed at the small sizes, from coarse to fine.
    `levels="last"` (the authors' code): F_(l-1) alone, resized, through one 3x3 convolution.

    Args:
        levels: "all" or "last".
        reduced_filters: channels of each level in "all".

    Call: a list [F_1, ..., F_l] of at least two maps (B, H_i, W_i, C_i). Returns (B, H_l, W_l, C_l).
    """

    def __init__(self, levels="all", reduced_filters=16, **kwargs):
        super().__init__(**kwargs)
        check_choice("levels", levels, CAM_LEVELS)
        self.levels = levels
        self.reduced_filters = reduced_filters

    def build(self, input_shape):
        if len(input_shape) < 2:
            raise UserError(f"The fusion (Eq. 5) needs at least two feature maps. Received: {len(input_shape)}.")
        *earlier, (_, height, width, filters) = input_shape
        if self.levels == "last":
            self.fuse = _conv(filters, 3, "fuse", self.dtype_policy)
            self.fuse.build((None, height, width, earlier[-1][-1]))
        else:
            self.reduce = []
            for i, shape in enumerate(earlier, 1):
                self.reduce.append(_conv(self.reduced_filters, 1, f"reduce_{i}", self.dtype_policy))
                self.reduce[-1].build(shape)
            # The convolution that fuses them is computed level by level, so there is no layer of it.
            inputs = self.reduced_filters * len(earlier)
            self.kernel = self.add_weight(name="fuse_kernel", shape=(1, 1, inputs, filters), initializer=xavier())
            self.bias = self.add_weight(name="fuse_bias", shape=(filters,), initializer="zeros")
        self.built = True

    def call(self, features):
        *earlier, last = features
        size = last.shape[1:3]
        if self.levels == "last":
            return self.fuse(resize_nearest(earlier[-1], size))
        kernels = ops.split(ops.convert_to_tensor(self.kernel), len(earlier), axis=2)
        triples = zip(earlier, self.reduce, kernels, strict=True)
        terms = [ops.conv(reduce(feature), kernel) for feature, reduce, kernel in triples]
        return _sum_resized(terms, size) + self.bias

    def compute_output_shape(self, input_shape):
        return input_shape[-1]

    def get_config(self):
        return {**super().get_config(), "levels": self.levels, "reduced_filters": self.reduced_filters}


@keras.saving.register_keras_serializable(package="dagan_tf")
class ChannelAttention(ChannelsLastLayer):
    """Scale-wise channel attention (CAM), Eq. 6-9, on a fused map G (Eq. 5) and the last level F.

    g = sigmoid(conv1x1(relu(conv1x1(mean_HW(concat(G, F)))))) (Eq. 6-7); then

    - kind 1 (CAM-I, Eq. 8): g * G + F
    - kind 2 (CAM-II, Eq. 9): G + g * F

    Args:
        kind: 1 or 2.

    Call: `attention(fused, last)`, both (B, H, W, C). Returns (B, H, W, C).
    """

    def __init__(self, kind=2, **kwargs):
        super().__init__(**kwargs)
        check_choice("kind", kind, (1, 2))
        self.kind = kind

    def build(self, input_shape):
        channels = input_shape[-1]
        self.squeeze = _conv(channels, 1, "squeeze", self.dtype_policy, activation="relu")
        self.excite = _conv(channels, 1, "excite", self.dtype_policy, activation="sigmoid")
        self.squeeze.build((None, 1, 1, 2 * channels))
        self.excite.build((None, 1, 1, channels))
        self.built = True

    def channel_weights(self, fused, last):
        """The gate g of Eq. 7: (B, 1, 1, C) in (0, 1)."""
        means = [ops.mean(x, axis=(1, 2), keepdims=True) for x in (fused, last)]
        return self.excite(self.squeeze(ops.concatenate(means, axis=-1)))

    def call(self, fused, last):
        gate = self.channel_weights(fused, last)
        return gate * fused + last if self.kind == 1 else fused + gate * last

    def compute_output_shape(self, fused_shape, last_shape):
        return last_shape

    def get_config(self):
        return {**super().get_config(), "kind": self.kind}


@keras.saving.register_keras_serializable(package="dagan_tf")
class DualAttention(ChannelsLastLayer):
    """Sum of spatial and channel attention over a list of feature maps, from coarse to fine in the paper's generator.

    Plugs into any decoder: `x = DualAttention()([f1, f2, f3])` returns a map like the last one. The maps may have any
    (static) sizes and channels.

    Args:
        attention: "sam", "cam1", "cam2", "sam+cam1" or "sam+cam2" (rows B2 to B6 of Table 4), or "none" (B1: the last
            map as it is).
        cam_levels: levels that Eq. 5 fuses, "all" or "last".
        cam_filters: channels of each level in "all".

    Call: a list [F_1, ..., F_l] of maps (B, H_i, W_i, C_i). Returns (B, H_l, W_l, C_l).
    """

    def __init__(self, attention="sam+cam2", cam_levels="all", cam_filters=16, **kwargs):
        super().__init__(**kwargs)
        check_choice("attention", attention, ATTENTIONS)
        check_choice("cam_levels", cam_levels, CAM_LEVELS)
        self.attention = attention
        self.cam_levels = cam_levels
        self.cam_filters = cam_filters
        policy = self.dtype_policy
        modules = attention.split("+")
        self.sam = SpatialAttention(name="sam", dtype=policy) if "sam" in modules else None
        self.fusion = self.cam = None
        if modules[-1].startswith("cam"):
            self.fusion = MultiScaleFusion(cam_levels, cam_filters, name="fusion", dtype=policy)
            self.cam = ChannelAttention(int(modules[-1][-1]), name="cam", dtype=policy)

    def build(self, input_shape):
        if not input_shape or not isinstance(input_shape[0], tuple | list):
            raise UserError(f"DualAttention reads a list of feature maps (B, H, W, C). Received: one, {input_shape}.")
        last = input_shape[-1]
        if self.sam:
            self.sam.build(last)
        if self.cam:
            self.fusion.build(input_shape)
            self.cam.build(last)
        self.built = True

    def call(self, features):
        last = features[-1]
        outputs = []
        if self.sam:
            outputs.append(self.sam(last))
        if self.cam:
            outputs.append(self.cam(self.fusion(features), last))
        return sum(outputs[1:], outputs[0]) if outputs else last

    def compute_output_shape(self, input_shape):
        return input_shape[-1]

    def get_config(self):
        return {
            **super().get_config(),
            "attention": self.attention,
            "cam_levels": self.cam_levels,
            "cam_filters": self.cam_filters,
        }
