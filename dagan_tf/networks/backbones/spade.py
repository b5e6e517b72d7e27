"""SPADE's generator (Park et al., CVPR 2019) up to its last convolution: a walk up the levels by residual blocks."""

import keras

from dagan_tf.config import ModelConfig
from dagan_tf.layers.residual import FoldedSPADEResBlock, SPADEResBlock
from dagan_tf.layers.semantic_conv import SemanticConv2D
from dagan_tf.networks.backbones.stages import Stage


def spade_stages(config):
    """The residual blocks from coarse to fine, as the authors lay them out: a list of `Stage`."""
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


class _Walk(keras.layers.Layer):
    """The walk up the levels in the trained and the folded backbone: first convolution, blocks and their order."""

    block_class = None

    def __init__(self, config, blocks=None, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.stages = spade_stages(config)
        policy, channels = self.dtype_policy, config.semantic_channels
        self.fc = SemanticConv2D(self.stages[0].filters, 3, channels, name="fc", dtype=policy)
        self.blocks = blocks or [
            self.block_class(stage.filters, channels, config.spade_filters, name=stage.name, dtype=policy)
            for stage in self.stages
        ]

    def build(self, *shapes):
        self.fc.build()
        filters = self.stages[0].filters
        for stage, block in zip(self.stages, self.blocks, strict=True):
            block.build((None, None, None, filters))
            filters = stage.filters
        self.built = True

    def _walk(self, semantics, **options):
        x = self.fc(semantics.level(self.stages[0].factor))
        features = []
        for stage, block in zip(self.stages, self.blocks, strict=True):
            x = block(x, semantics.level(stage.factor), **options)
            features.append(x)
        return features

    def layers_by_stage(self):
        """Pairs of a `Stage` and its layer, the first convolution's included."""
        head = self.stages[0]
        return [(head._replace(name="fc"), self.fc), *zip(self.stages, self.blocks, strict=True)]

    def get_config(self):
        return {**super().get_config(), "config": self.config.to_dict()}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "config": ModelConfig.from_dict(config["config"])})


@keras.saving.register_keras_serializable(package="dagan_tf")
class FoldedSPADEBackbone(_Walk):
    """`SPADEBackbone` with folded layers: for inference only.

    Args:
        config: a `ModelConfig`.

    Call: `backbone(semantics=...)` with a `Semantics` of the configuration's image size. Returns the list of the
    blocks' outputs, see `stages`.
    """

    block_class = FoldedSPADEResBlock

    def call(self, semantics):
        return self._walk(semantics)


@keras.saving.register_keras_serializable(package="dagan_tf")
class SPADEBackbone(_Walk):
    """SPADE's residual blocks, from the coarsest level of the label map to the finest.

    Source: Park et al., "Semantic Image Synthesis with Spatially-Adaptive Normalization", Figure 4; the blocks' layout
    as in the authors' code.

    Args:
        config: a `ModelConfig`.

    Call: `backbone(semantics=..., training=...)` with a `Semantics` of the configuration's image size. Returns the
    list of the blocks' outputs F_1 .. F_l, (B, H/factor, W/factor, filters), see `stages`.
    """

    block_class = SPADEResBlock
    folded_class = FoldedSPADEBackbone

    def call(self, semantics, training=False):
        return self._walk(semantics, training=training)

    def folded(self, config, dtype=None):
        """The `FoldedSPADEBackbone` that computes what this backbone computes in inference.

        Args:
            config: its `ModelConfig`, which may have another image size than this backbone's.
            dtype: its dtype policy.
        """
        with keras.name_scope(self.name):  # as `build` opens it: weights get paths of their own
            blocks = [block.folded(dtype) for block in self.blocks]
            result = FoldedSPADEBackbone(config, blocks, name=self.name, dtype=dtype)
            result.fc.build()
        for target, source in zip(result.fc.weights, self.fc.weights, strict=True):
            target.assign(source)
        result.built = True
        return result


BACKBONE = SPADEBackbone
