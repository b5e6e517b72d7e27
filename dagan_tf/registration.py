"""Tells Keras of the package's classes, so that its `load_model` reads their files after `import dagan_tf` alone.

Keras learns of a class when the module is imported that defines it. Here that is late, so that `import dagan_tf` does
not wait for TensorFlow. In place of each class Keras therefore gets a stand-in, as soon as Keras itself is imported.
"""

import importlib
import importlib.abc
import importlib.util
import sys

PACKAGE = "dagan_tf"
"""The name under which the classes are registered."""
CLASSES = {
    "BatchNorm": "layers.batch_norm",
    "ChannelAttention": "layers.attention",
    "ConstantThenLinearDecay": "training.schedule",
    "DAGAN": "training.dagan",
    "Discriminator": "networks.discriminators.multiscale",
    "DualAttention": "layers.attention",
    "FoldedConv2D": "layers.folded",
    "FoldedGenerator": "networks.generator",
    "FoldedSPADE": "layers.folded",
    "FoldedSPADEBackbone": "networks.backbones.spade",
    "FoldedSPADEResBlock": "layers.residual",
    "FusedAdam": "training.adam",
    "Generator": "networks.generator",
    "MultiScaleFusion": "layers.attention",
    "PatchDiscriminator": "networks.discriminators.multiscale",
    "SPADE": "layers.spade",
    "SPADEBackbone": "networks.backbones.spade",
    "SPADEResBlock": "layers.residual",
    "SemanticConv2D": "layers.semantic_conv",
    "SpatialAttention": "layers.attention",
    "SpectralNormConv2D": "layers.spectral_norm",
}
"""The modules of all classes that are registered with Keras."""


class _StandIn:
    """A class by its name, which is imported when Keras makes an object of it."""

    def __init__(self, name):
        self.__name__ = name

    def from_config(self, config):
        module = importlib.import_module(f"{PACKAGE}.{CLASSES[self.__name__]}")
        return getattr(module, self.__name__).from_config(config)


class _WhenImported(importlib.abc.MetaPathFinder):
    """Calls a function once, right after a module was imported for the first time."""

    def __init__(self, name, function):
        self._name, self._function, self._asking = name, function, False

    def find_spec(self, name, path=None, target=None):
        if name != self._name or self._asking:
            return None
        self._asking = True  # the others
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._asking = False
        if spec is not None:  # whoever asks need not import it
            execute = spec.loader.exec_module

            def execute_and_call(module):
                execute(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                self._function(module)

            spec.loader.exec_module = execute_and_call
        return spec


def register():
    """Registers the classes with Keras, now or when it is imported."""

    def tell(keras):
        known = keras.saving.get_custom_objects()
        for name in CLASSES:
            known.setdefault(f"{PACKAGE}>{name}", _StandIn(name))

    if "keras" in sys.modules:
        tell(sys.modules["keras"])
    else:
        sys.meta_path.insert(0, _WhenImported("keras", tell))
