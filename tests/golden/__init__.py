"""Golden values of the authors' PyTorch networks on drawn rectangles, and the weights they were computed with.

The arrays are a copy of the project's reference recording, with the larger intermediate features cut to the first of
the two examples. They are values only. Weights are drawn by name, so that none need be stored.
"""

import functools
import json
import pathlib
import zlib

import numpy as np

FOLDER = pathlib.Path(__file__).parent
SHARED = pathlib.Path(__file__).resolve().parents[2].parent / "shared" / "reference"
PLAIN_DRAWS = {
    "running_var": lambda rs, shape: 1 + 0.1 * np.abs(rs.standard_normal(shape)),
    "running_mean": lambda rs, shape: 0.1 * rs.standard_normal(shape),
    "num_batches_tracked": lambda rs, shape: np.zeros(shape, "int64"),
}


@functools.cache
def values(folder=FOLDER):
    """The recorded arrays by name, which tests read only."""
    with np.load(folder / "rectangles_ngf8.npz") as arrays:
        return dict(arrays)


def description(folder=FOLDER):
    """Settings, parameter names and shapes, gradient norms."""
    return json.loads((folder / "rectangles_ngf8.json").read_text())


def _normalize(vector):
    return vector / np.linalg.norm(vector)


def _draw(full_name, shape):
    rs = np.random.RandomState(zlib.crc32(full_name.encode()) & 0xFFFFFFFF)
    kind = full_name.rsplit(".", 1)[-1]
    if kind in PLAIN_DRAWS:
        return PLAIN_DRAWS[kind](rs, shape)
    if kind in ("weight_u", "weight_v"):
        return _normalize(rs.standard_normal(shape).astype("float32"))
    if len(shape) == 1:
        return 0.05 * rs.standard_normal(shape)
    return rs.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))


@functools.cache
def reference_weights(part):
    """The drawn weights of "generator" or "discriminator", PyTorch's names to arrays in its layout, to read only."""
    prefix = {"generator": "G.", "discriminator": "D."}[part]
    state = {name: _draw(prefix + name, tuple(shape)) for name, shape in description()[part].items()}
    for name in [name for name in state if name.endswith("weight_orig")]:
        matrix = np.asarray(state[name], "float32").astype("float64")
        matrix = matrix.reshape(matrix.shape[0], -1)
        u = state[name.replace("_orig", "_u")].astype("float64")
        for _ in range(10):
            v = _normalize(matrix.T @ u)
            u = _normalize(matrix @ v)
        state[name.replace("_orig", "_u")], state[name.replace("_orig", "_v")] = u, v
    return {k: np.asarray(v, v.dtype if v.dtype.kind == "i" else "float32") for k, v in state.items()}
