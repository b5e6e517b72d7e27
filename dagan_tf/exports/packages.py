"""What exports need that is not installed with the package."""

import importlib.util

from dagan_tf.errors import UserError

EXTRAS = {"tensorflow_serving": "serving", "ai_edge_litert": "tflite", "tf2onnx": "onnx"}
"""The extra of this package that installs each module."""


def check_packages(*modules):
    """Raises `UserError` for those of the modules in `EXTRAS` that are not installed."""
    missing = [EXTRAS[name] for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"This export needs packages that are not installed: pip install 'dagan_tf[{','.join(missing)}]'."
        )
