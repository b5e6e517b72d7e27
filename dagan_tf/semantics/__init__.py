"""Label map (+ instance map) -> the semantic maps, one level per resolution, that every SPADE layer reads.

A *level* answers two questions about the label map at one resolution: its convolution with a kernel, and the
modulation (scale, shift) that SPADE's convolutions make of it. Layers ask their level and do not know how it computes
the answer. There are two kinds: `dense` convolves the one-hot map; `patch_table` computes each distinct patch of the
label map once and gives the same numbers for a fraction of the work.
"""

from dagan_tf.semantics.dense import DenseLevel
from dagan_tf.semantics.maps import Semantics, instance_edges

__all__ = ["DenseLevel", "Semantics", "instance_edges"]
