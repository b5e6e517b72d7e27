"""The backbones: how a label map becomes the feature maps F_1 .. F_l that dual attention reads, one file each.

A file `NAME.py` has a Keras layer `BACKBONE`, made of a `ModelConfig`, with

- `stages`: a list of `Stage`, from coarse to fine: the last is at the image's size;
- `layers_by_stage()`: pairs of a `Stage` and a layer, in the order of computation, for tables;
- a call, `backbone(semantics=..., training=...)`: the list of the feature maps (B, H/factor, W/factor, filters);
- `folded(config, dtype)`: its form for inference, for another image size where `config` has one, an object of its
  `folded_class`.

A new backbone is such a file and its name in `config.BACKBONES`.
"""

import importlib

from dagan_tf.config import BACKBONES
from dagan_tf.errors import check_choice


def backbone_class(name):
    """The layer's class of a backbone; an unknown name raises `UserError` with the names there are."""
    check_choice("backbone", name, BACKBONES)
    return importlib.import_module(f"{__name__}.{name}").BACKBONE
