"""Conversion of the authors' PyTorch weights to ours and back, and the files that hold them."""

from dagan_tf.networks.pytorch.names import load_pytorch_weights, pytorch_weights

__all__ = ["load_pytorch_weights", "pytorch_weights"]
