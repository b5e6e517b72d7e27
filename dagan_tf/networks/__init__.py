"""The networks, built from the layers. They know no loss and run on every Keras backend."""

from dagan_tf.networks.discriminators.multiscale import Discriminator
from dagan_tf.networks.generator import FoldedGenerator, Generator

__all__ = ["Discriminator", "FoldedGenerator", "Generator"]
