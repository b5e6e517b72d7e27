"""dagan_tf: Dual Attention GANs for semantic image synthesis (Tang, Bai, Sebe, ACM MM 2020) in TensorFlow and Keras.

The names below are imported when they are first used, so that `import dagan_tf` itself is quick.
"""

import importlib

from dagan_tf import registration

__version__ = "0.1.0"

_MODULES = {
    "DAGAN": "training.dagan",
    "Generator": "networks",
    "Discriminator": "networks",
    "VGG19Features": "features.vgg19",
    "DualAttention": "layers.attention",
    "SpatialAttention": "layers.attention",
    "MultiScaleFusion": "layers.attention",
    "ChannelAttention": "layers.attention",
    "SPADE": "layers.spade",
    "SPADEResBlock": "layers.residual",
    "SpectralNormConv2D": "layers.spectral_norm",
    "Semantics": "semantics",
    "DenseLevel": "semantics",
    "ModelConfig": "config",
    "LabelSpec": "config",
    "DataConfig": "config",
    "TrainConfig": "config",
    "PRESETS": "presets",
    "FolderSource": "data.folder",
    "ProceduralFacades": "data.procedural",
    "Pipeline": "data.pipeline",
    "load_generator": "runs.loading",
    "load_model": "runs.loading",
    "load_pytorch_weights": "networks.pytorch",
    "pytorch_weights": "networks.pytorch",
    "UserError": "errors",
}

__all__ = [*_MODULES, "__version__"]


def __getattr__(name):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__():
    return sorted(__all__)


registration.register()
