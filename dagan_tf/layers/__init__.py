"""The paper's layers. `keras.ops` only: they run on every Keras backend."""

from dagan_tf.layers.attention import ChannelAttention, DualAttention, MultiScaleFusion, SpatialAttention
from dagan_tf.layers.batch_norm import BatchNorm, batch_moments
from dagan_tf.layers.folded import FoldedConv2D, FoldedSPADE
from dagan_tf.layers.initializers import xavier
from dagan_tf.layers.residual import FoldedSPADEResBlock, SPADEResBlock
from dagan_tf.layers.resize import resize_nearest
from dagan_tf.layers.semantic_conv import SemanticConv2D
from dagan_tf.layers.spade import SPADE
from dagan_tf.layers.spectral_norm import SpectralNormConv2D

__all__ = [
    "SPADE",
    "BatchNorm",
    "ChannelAttention",
    "DualAttention",
    "FoldedConv2D",
    "FoldedSPADE",
    "FoldedSPADEResBlock",
    "MultiScaleFusion",
    "SPADEResBlock",
    "SemanticConv2D",
    "SpatialAttention",
    "SpectralNormConv2D",
    "batch_moments",
    "resize_nearest",
    "xavier",
]
