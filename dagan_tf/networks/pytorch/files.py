"""Files of the authors' PyTorch weights: `.pth`, read without executing anything in it, and `.npz`."""

import pathlib
import pickle
import zipfile

import numpy as np

from dagan_tf.errors import UserError
from dagan_tf.files import replaced


def _torch():
    try:
        import torch
    except ImportError as error:
        raise UserError(
            ".pth files are read and written with PyTorch, which is not installed: pip install torch, or "
            "give the parameters as .npz."
        ) from error
    return torch


def read_state(path):
    """The parameters in a `.pth` or `.npz` file: a dictionary of names to NumPy arrays.

    Raises:
        UserError: the file is missing, of another kind, damaged, or holds anything but named tensors; nothing in it
            is executed.
    """
    path = pathlib.Path(path)
    readers = {".pth": _read_pth, ".npz": _read_npz}
    if path.suffix not in readers:
        raise UserError(f"Expected a checkpoint of the authors' PyTorch code, .pth or .npz. Received: {path}.")
    if not path.is_file():
        raise UserError(f"Expected a checkpoint at {path}. There is no such file: check the path.")
    try:
        return readers[path.suffix](path)
    except (pickle.UnpicklingError, zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"{path} could not be read as named tensors: {error}. Nothing in it was executed. Check that the file is "
            "whole and that it is the state_dict of a network (latest_net_G.pth, latest_net_D.pth)."
        ) from error


def _read_npz(path):
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def _read_pth(path):
    torch = _torch()
    state = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"expected a dictionary of tensors, received {type(state).__name__}")
    return {name: (t.float() if t.is_floating_point() else t).numpy() for name, t in state.items()}


def write_state(path, state):
    """Writes a dictionary of NumPy arrays as `.pth` or `.npz`, by the path's suffix; whole or not at all."""
    path = pathlib.Path(path)
    with replaced(path) as unfinished, unfinished.open("wb") as file:  # of a path NumPy would change the suffix
        if path.suffix == ".npz":
            np.savez(file, **state)
        else:
            torch = _torch()
            torch.save({name: torch.from_numpy(array) for name, array in state.items()}, file)
