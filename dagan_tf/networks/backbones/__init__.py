"""The backbones: how a label map becomes the feature maps F_1 .. F_l that dual attention reads, one file each.

A backbone is a Keras layer made of a `ModelConfig`. It has

- `stages`: a list of `Stage`, from coarse to fine: the last is at the image's size;
- `layers_by_stage()`: pairs of a `Stage` and a layer, in the order of computation, for tables;
- a call, `backbone(semantics=..., training=...)`: the list of the feature maps (B, H/factor, W/factor, filters);
- `folded(config, dtype)`: its form for inference, for another image size where `config` has one, an object of its
  `folded_class`.

A new backbone is one file and one row of `BACKBONES`.
"""

from dagan_tf.errors import check_choice
from dagan_tf.networks.backbones.spade import SPADEBackbone

BACKBONES = {"spade": SPADEBackbone}


def backbone_class(name):
    """The class of a backbone; an unknown name raises `UserError` with the names there are."""
    check_choice("backbone", name, tuple(BACKBONES))
    return BACKBONES[name]
