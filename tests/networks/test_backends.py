"""The networks on the JAX backend against the same weights and inputs on TensorFlow, to 1e-5."""

import importlib.util
import json

import keras
import numpy as np
import pytest

from dagan_tf.config import ModelConfig
from dagan_tf.networks import Discriminator, Generator
from tests.helpers import run_python

JAX = {
    "KERAS_BACKEND": "jax",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_backend_optimization_level=0",  # every operation is compiled once and run a few times
}
CONFIG = ModelConfig(
    num_classes=5,
    image_size=(32, 64),
    use_instance_edges=True,
    base_filters=4,
    discriminator_filters=4,
    spade_filters=8,
    cam_filters=3,
)

SCRIPT = """
import json, sys
import keras
import numpy as np
import dagan_tf.layers, dagan_tf.networks
from dagan_tf.config import ModelConfig

folder = sys.argv[1]
config = ModelConfig.from_dict(json.loads(sys.argv[2]))
with np.load(f"{folder}/inputs.npz") as arrays:
    inputs = {name: keras.ops.convert_to_tensor(array) for name, array in arrays.items()}
outputs = {}
for name in ("Generator", "Discriminator"):
    network = getattr(dagan_tf.networks, name)(config)
    with np.load(f"{folder}/{name}.npz") as weights:
        network.set_weights([weights[key] for key in weights.files])
    for training in (False, True):
        result = keras.tree.flatten(network(inputs, training=training))
        part = "training" if training else "inference"
        outputs |= {f"{name} {part} {i}": keras.ops.convert_to_numpy(x) for i, x in enumerate(result)}
    state = network.non_trainable_variables
    outputs |= {f"{name} state {i}": keras.ops.convert_to_numpy(x.value) for i, x in enumerate(state)}
np.savez(f"{folder}/outputs.npz", **outputs)
print(json.dumps({"backend": keras.backend.backend(), "tensorflow": "tensorflow" in sys.modules}))
"""


def example():
    rng = np.random.default_rng(0)
    shape = (2, *CONFIG.image_size)
    return {
        "label": rng.integers(CONFIG.num_classes, size=shape).astype("int32"),
        "instance": rng.integers(3, size=shape).astype("int32"),
        "image": rng.uniform(-1, 1, size=(*shape, 3)).astype("float32"),
    }


def on_tensorflow(folder):
    """Saves weights and inputs; returns what this process computes with them."""
    inputs = example()
    np.savez(folder / "inputs.npz", **inputs)
    expected = {}
    for network in (Generator(CONFIG, name="generator"), Discriminator(CONFIG, name="discriminator")):
        for variable in network.trainable_variables:
            variable.assign(20.0 * variable)  # images that are not grey
        name = type(network).__name__
        np.savez(folder / f"{name}.npz", *network.get_weights())
        for training in (False, True):
            result = keras.tree.flatten(network(inputs, training=training))
            part = "training" if training else "inference"
            expected |= {f"{name} {part} {i}": np.asarray(x) for i, x in enumerate(result)}
        expected |= {f"{name} state {i}": x.numpy() for i, x in enumerate(network.non_trainable_variables)}
    return expected


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """`(TensorFlow's results, JAX's results, what the JAX process says about itself)`."""
    if importlib.util.find_spec("jax") is None:
        pytest.skip("JAX is not installed")
    folder = tmp_path_factory.mktemp("backends")
    expected = on_tensorflow(folder)
    report = run_python(SCRIPT, folder, json.dumps(CONFIG.to_dict()), **JAX)
    with np.load(folder / "outputs.npz") as outputs:
        return expected, dict(outputs), json.loads(report.splitlines()[-1])


def test_the_process_ran_on_jax_without_tensorflow(both):
    assert both[2] == {"backend": "jax", "tensorflow": False}


COUNTS = {
    ("Generator", "inference"): 1,
    ("Generator", "training"): 1,
    # Seven blocks of two branches, four of them with a third: u, v, mean and variance.
    ("Generator", "state"): (7 * 2 + 4) * 4,
    ("Discriminator", "inference"): 10,
    ("Discriminator", "training"): 10,
    ("Discriminator", "state"): 2 * 3 * 2,
}


@pytest.mark.parametrize(("name", "part"), COUNTS, ids=" ".join)
def test_equal(both, name, part):
    expected, actual, _ = both
    keys = [key for key in expected if key.startswith(f"{name} {part} ")]
    assert len(keys) == COUNTS[name, part]
    assert sorted(expected) == sorted(actual)
    for key in keys:
        assert np.abs(expected[key]).max() > 1e-4, key
        np.testing.assert_allclose(actual[key], expected[key], rtol=1e-5, atol=1e-5, err_msg=key)
