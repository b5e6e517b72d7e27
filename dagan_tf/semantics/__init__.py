"""The label map as SPADE layers read it: one level per resolution, with instance edges where they are used.

A *level* does two things with the label map at one resolution: it convolves it with a kernel, and it modulates features
by the scale and shift that SPADE's convolutions make of it. Layers ask their level and do not know how it computes.
There are two kinds: `dense` convolves the one-hot map; `patch_table` computes each distinct patch of the label map once
and gives the same numbers for a fraction of the work.
"""

from dagan_tf.semantics.dense import DenseLevel, as_level
from dagan_tf.semantics.maps import Semantics, instance_edges

__all__ = ["DenseLevel", "Semantics", "as_level", "instance_edges"]
