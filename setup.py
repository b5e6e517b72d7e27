"""Metadata and dependencies of dagan_tf."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (HERE / "dagan_tf/__init__.py").read_text(), re.MULTILINE).group(1)

EXTRAS = {
    # COCO's own reader of its annotations.
    "annotations": ["pycocotools"],
    # What models are exported, served and asked with.
    "serving": ["tensorflow-serving-api>=2.19", "grpcio", "grpcio-health-checking", "aiohttp", "prometheus-client"],
    "tflite": ["ai-edge-litert"],
    "onnx": ["tf2onnx", "onnxruntime"],
    "convert": ["torch"],
    "evaluation": ["scipy"],
    "notebooks": ["jupyterlab", "ipywidgets"],
}
# One version of PyTorch: it is the independent reader and writer of .pth files in the tests.
EXTRAS["dev"] = ["pytest", "pytest-xdist", "ruff", "scipy", "jax", "torch==2.13.0", "openvino", "pyyaml"]
EXTRAS["dev"] += [*EXTRAS["serving"], *EXTRAS["tflite"], *EXTRAS["onnx"], *EXTRAS["annotations"]]
EXTRAS["dev"] += ["nbclient", "nbformat", "ipykernel", "hypothesis", "tifffile"]
EXTRAS["dev"] += ["dill"]  # which TFDS' test of builders imports without requiring it

setup(
    name="dagan_tf",
    version=VERSION,
    description="Dual Attention GANs for semantic image synthesis in TensorFlow and Keras",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    packages=find_packages(include=["dagan_tf", "dagan_tf.*"]),
    python_requires=">=3.11",
    install_requires=[
        "tensorflow>=2.19",
        "keras>=3.10",
        "tensorflow-datasets>=4.9.8",
        "tensorboard>=2.19",
        "numpy>=2.0",
        "matplotlib>=3.8",
        "pillow>=10.3",
        "requests",
    ],
    extras_require=EXTRAS,
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Image Processing",
    ],
)
