"""Converts parameters of the authors' PyTorch networks (DAGAN's and SPADE's) to weights of ours, and back.

The correspondence is one dictionary, `pytorch_entries`: the parameter's name in PyTorch, our variable, and how an array
changes between PyTorch's layout (output channels first) and ours (output channels last).
"""

from typing import NamedTuple

import keras
import numpy as np

from dagan_tf.errors import UserError
from dagan_tf.networks.discriminators.multiscale import Discriminator
from dagan_tf.networks.generator import Generator

COUNTER = "num_batches_tracked"  # PyTorch's batch norm counts its steps; nothing of ours depends on the number


class Entry(NamedTuple):
    """One parameter of a PyTorch network and the variable of ours that holds it."""

    variable: keras.Variable
    kind: str
    """"kernel" (OIHW there, HWIO here), "input_vector" (flattened IHW there, HWI here) or "plain"."""
    kernel_shape: tuple = ()
    """(h, w, I) of the kernel that an input vector belongs to."""

    def shape(self):
        """The array's shape in PyTorch."""
        shape = tuple(self.variable.shape)
        return (shape[3], shape[2], shape[0], shape[1]) if self.kind == "kernel" else shape

    def to_ours(self, array):
        """PyTorch's array in our layout."""
        if self.kind == "kernel":
            return np.transpose(array, (2, 3, 1, 0))
        if self.kind == "input_vector":
            h, w, channels = self.kernel_shape
            return np.transpose(array.reshape(channels, h, w), (1, 2, 0)).ravel()
        return array

    def to_pytorch(self):
        """Our variable in PyTorch's layout: float32."""
        array = keras.ops.convert_to_numpy(self.variable.value)
        if self.kind == "kernel":
            array = np.transpose(array, (3, 2, 0, 1))
        elif self.kind == "input_vector":
            array = np.transpose(array.reshape(self.kernel_shape), (2, 0, 1)).ravel()
        return np.ascontiguousarray(array, dtype="float32")


def _conv(prefix, layer):
    entries = {f"{prefix}.weight": Entry(layer.kernel, "kernel")}
    if layer.bias is not None:
        entries[f"{prefix}.bias"] = Entry(layer.bias, "plain")
    return entries


def _spectral_conv(prefix, layer):
    entries = {
        f"{prefix}.weight_orig": Entry(layer.kernel, "kernel"),
        f"{prefix}.weight_u": Entry(layer.u, "plain"),
        f"{prefix}.weight_v": Entry(layer.v, "input_vector", tuple(layer.kernel.shape[:3])),
    }
    if layer.use_bias:
        entries[f"{prefix}.bias"] = Entry(layer.bias, "plain")
    return entries


def _spade(prefix, layer):
    entries = {
        f"{prefix}.param_free_norm.running_mean": Entry(layer.norm.moving_mean, "plain"),
        f"{prefix}.param_free_norm.running_var": Entry(layer.norm.moving_variance, "plain"),
    }
    for theirs, ours in (("mlp_shared.0", "shared"), ("mlp_gamma", "gamma"), ("mlp_beta", "beta")):
        entries[f"{prefix}.{theirs}.weight"] = Entry(getattr(layer, f"{ours}_kernel"), "kernel")
        entries[f"{prefix}.{theirs}.bias"] = Entry(getattr(layer, f"{ours}_bias"), "plain")
    return entries


def _block(prefix, block):
    entries = {}
    for branch in ("0", "1", "s") if block.learned_shortcut else ("0", "1"):
        entries |= _spectral_conv(f"{prefix}.conv_{branch}", getattr(block, f"conv_{branch}"))
        entries |= _spade(f"{prefix}.norm_{branch}", getattr(block, f"norm_{branch}"))
    return entries


def _attention(attention):
    entries = {}
    if attention.cam:
        entries |= _conv("conv_64", attention.fusion.fuse)
        entries |= _conv("cab.conv1", attention.cam.squeeze) | _conv("cab.conv2", attention.cam.excite)
    if attention.sam:
        entries |= _conv("spatialAtt.conv", attention.sam.conv)
    return entries


def _generator(network):
    if network.config.backbone != "spade":
        raise UserError(
            f"The authors' PyTorch weights are those of `backbone` spade. Received: {network.config.backbone}."
        )
    if network.attention.cam and network.config.cam_levels != "last":
        raise UserError(
            "The authors' PyTorch networks fuse one level: expected a generator with `cam_levels` last. Received: "
            f"`cam_levels` {network.config.cam_levels}. Build it with `cam_levels` last."
        )
    entries = _conv("fc", network.backbone.fc) | _conv("conv_img", network.conv_img) | _attention(network.attention)
    for stage, block in zip(network.backbone.stages, network.backbone.blocks, strict=True):
        entries |= _block(stage.name.replace("middle", "G_middle"), block)
    return entries


def _discriminator(network):
    entries = {}
    for s, scale in enumerate(network.scales):
        *inner, last = enumerate(scale.convs)
        for i, conv in inner:
            name = f"discriminator_{s}.model{i}"
            entries |= _conv(f"{name}.0", conv) if i == 0 else _spectral_conv(f"{name}.0.0", conv)
        entries |= _conv(f"discriminator_{s}.model{last[0]}.0", last[1])
    return entries


def pytorch_entries(network):
    """The correspondence for a generator or discriminator: a dictionary of PyTorch's names to `Entry`.

    Raises:
        UserError: the generator has no counterpart in the authors' code (`cam_levels="all"`), or it is none of the two.
    """
    if isinstance(network, Generator):
        return _generator(network)
    if isinstance(network, Discriminator):
        return _discriminator(network)
    raise UserError(
        "The authors' PyTorch code has a generator and a discriminator: expected a `Generator` or a `Discriminator`. "
        f"Received: a {type(network).__name__}. Give the trained network, such as `model.generator`."
    )


def _problems(entries, state):
    missing = [f"missing: {name}" for name in sorted(entries.keys() - state.keys())]
    extra = [f"not expected: {name}" for name in sorted(state.keys() - entries.keys())]
    misshapen = [
        f"shape of {name}: expected {entries[name].shape()}, received {tuple(np.shape(state[name]))}"
        for name in sorted(entries.keys() & state.keys())
        if entries[name].shape() != tuple(np.shape(state[name]))
    ]
    return missing + extra + misshapen


def load_pytorch_weights(network, state):
    """Sets a network's weights, batch statistics and singular vectors from PyTorch parameters.

    Args:
        network: a `Generator` (with `cam_levels="last"` or without channel attention) or a `Discriminator`.
        state: a mapping of the parameters' names in PyTorch to NumPy arrays in PyTorch's layout.

    Raises:
        UserError: entries are missing, not expected or of another shape; all of them are listed, and the network
            stays as it was.
    """
    entries = pytorch_entries(network)
    state = {name: array for name, array in state.items() if not name.endswith(COUNTER)}
    problems = _problems(entries, state)
    if problems:
        lines = "\n  ".join(problems)
        raise UserError(
            f"The checkpoint does not fit this {type(network).__name__.lower()} ({len(problems)} of "
            f"{len(entries.keys() | state.keys())} entries):\n  {lines}\n"
            "Check preset, width, depth, attention and instance edges against the checkpoint's network."
        )
    for name, entry in entries.items():
        entry.variable.assign(entry.to_ours(np.asarray(state[name], dtype="float32")))


def pytorch_weights(network):
    """The inverse of `load_pytorch_weights`: PyTorch's names to float32 arrays (counters are int64 0)."""
    state = {}
    for name, entry in pytorch_entries(network).items():
        state[name] = entry.to_pytorch()
        if name.endswith("running_var"):
            state[name.replace("running_var", COUNTER)] = np.zeros((), "int64")
    return state
