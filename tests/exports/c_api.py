"""Runs a SavedModel with TensorFlow's C API alone, the loader inside TF-Serving: no Python TensorFlow is imported.

    python c_api.py FOLDER_OF_THE_LIBRARY SAVED_MODEL INPUTS.npz OUTPUTS.npz NAMES

NAMES is JSON: `{"inputs": {input: tensor}, "outputs": {output: tensor}}`, the tensors as in the signature.
"""

import ctypes
import json
import pathlib
import sys

import numpy as np

DTYPES = {np.dtype("float32"): 1, np.dtype("int32"): 3, np.dtype("uint8"): 4}  # TF_DataType of tf_datatype.h


class Output(ctypes.Structure):
    """TF_Output."""

    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


def library(folder):
    """The C library, with the types of the functions that are called."""
    ctypes.CDLL(str(folder / "libtensorflow_framework.so.2"), ctypes.RTLD_GLOBAL)
    result = ctypes.CDLL(str(folder / "libtensorflow_cc.so.2"))
    pointers = (
        "NewStatus NewGraph NewSessionOptions LoadSessionFromSavedModel GraphOperationByName AllocateTensor TensorData"
    )
    for name in pointers.split():
        getattr(result, f"TF_{name}").restype = ctypes.c_void_p
    result.TF_Message.restype = ctypes.c_char_p
    result.TF_Dim.restype = ctypes.c_int64
    return result


class Session:
    """A loaded SavedModel."""

    def __init__(self, folder, path):
        self.tf = library(folder)
        self.status = ctypes.c_void_p(self.tf.TF_NewStatus())
        self.graph = ctypes.c_void_p(self.tf.TF_NewGraph())
        options = ctypes.c_void_p(self.tf.TF_NewSessionOptions())
        tags = (ctypes.c_char_p * 1)(b"serve")
        arguments = (options, None, str(path).encode(), tags, 1, self.graph, None, self.status)
        self.session = ctypes.c_void_p(self.tf.TF_LoadSessionFromSavedModel(*arguments))
        self._check()

    def _check(self):
        if self.tf.TF_GetCode(self.status):
            sys.exit(f"code {self.tf.TF_GetCode(self.status)}: {self.tf.TF_Message(self.status).decode()}")

    def _outputs(self, tensors):
        found = [tensor.split(":") for tensor in tensors]
        operations = [self.tf.TF_GraphOperationByName(self.graph, name.encode()) for name, _ in found]
        return (Output * len(found))(*((o, int(index)) for o, (_, index) in zip(operations, found, strict=True)))

    def _tensor(self, array):
        dims = (ctypes.c_int64 * array.ndim)(*array.shape)
        size = ctypes.c_size_t(array.nbytes)
        tensor = ctypes.c_void_p(self.tf.TF_AllocateTensor(DTYPES[array.dtype], dims, array.ndim, size))
        ctypes.memmove(self.tf.TF_TensorData(tensor), np.ascontiguousarray(array).ctypes.data, array.nbytes)
        return tensor

    def _array(self, tensor):
        tensor = ctypes.c_void_p(tensor)
        shape = [self.tf.TF_Dim(tensor, i) for i in range(self.tf.TF_NumDims(tensor))]
        dtype = {number: dtype for dtype, number in DTYPES.items()}[self.tf.TF_TensorType(tensor)]
        array = np.empty(shape, dtype)
        ctypes.memmove(array.ctypes.data, self.tf.TF_TensorData(tensor), array.nbytes)
        return array

    def run(self, inputs, outputs):
        """Arrays of the tensors named in the list `outputs`, for `inputs`, `{tensor: array}`."""
        values = [self._tensor(array) for array in inputs.values()]
        fed = (ctypes.c_void_p * len(values))(*(value.value for value in values))
        results = (ctypes.c_void_p * len(outputs))()
        self.tf.TF_SessionRun(
            self.session, None, self._outputs(inputs), fed, len(values),
            self._outputs(outputs), results, len(outputs), None, 0, None, self.status,
        )  # fmt: skip
        self._check()
        return [self._array(result) for result in results]


def main(folder, saved_model, inputs, outputs, names):
    """Runs once: reads the inputs, writes the outputs."""
    names = json.loads(names)
    session = Session(pathlib.Path(folder), saved_model)
    with np.load(inputs) as arrays:
        fed = {names["inputs"][name]: arrays[name] for name in arrays.files}
    results = session.run(fed, list(names["outputs"].values()))
    np.savez(outputs, **dict(zip(names["outputs"], results, strict=True)))
    assert "tensorflow" not in sys.modules


if __name__ == "__main__":
    main(*sys.argv[1:])
