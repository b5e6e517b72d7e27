"""Converting PyTorch parameters: names and shapes as recorded from the authors' networks, and the way back."""

import numpy as np
import pytest

from dagan_tf.config import ModelConfig
from dagan_tf.errors import UserError
from dagan_tf.networks import Discriminator, Generator
from dagan_tf.networks.pytorch.names import load_pytorch_weights, pytorch_weights
from tests import golden

CONFIG = ModelConfig(num_classes=13, image_size=(64, 64), base_filters=8, discriminator_filters=8, cam_levels="last")


@pytest.fixture(scope="module")
def generator():
    return Generator(CONFIG)


@pytest.fixture(scope="module")
def discriminator():
    return Discriminator(CONFIG)


@pytest.mark.parametrize("part", ["generator", "discriminator"])
def test_round_trip_has_the_recorded_names_and_values(part, request):
    network = request.getfixturevalue(part)
    state = golden.reference_weights(part)
    load_pytorch_weights(network, state)
    back = pytorch_weights(network)
    assert {name: list(a.shape) for name, a in back.items()} == golden.description()[part]
    for name, array in state.items():
        np.testing.assert_array_equal(back[name], array)


def test_every_weight_is_covered(generator, discriminator):
    for network in (generator, discriminator):
        before = network.get_weights()
        state = {name: array + 1 for name, array in pytorch_weights(network).items()}
        load_pytorch_weights(network, state)
        for old, new, variable in zip(before, network.get_weights(), network.weights, strict=True):
            assert not np.array_equal(old, new), variable.path


def test_missing_extra_and_misshapen_entries_are_listed_and_nothing_changes(generator):
    state = golden.reference_weights("generator")
    load_pytorch_weights(generator, state)
    bad = dict(state)
    del bad["fc.bias"]
    bad["fc.other"] = np.zeros(3)
    bad["conv_img.weight"] = np.zeros((3, 9, 3, 3))
    with pytest.raises(UserError) as error:
        load_pytorch_weights(generator, bad)
    for text in (
        "missing: fc.bias",
        "not expected: fc.other",
        "conv_img.weight: expected (3, 8, 3, 3), received (3, 9, 3",
    ):
        assert text in str(error.value)
    for name, array in pytorch_weights(generator).items():
        np.testing.assert_array_equal(array, state[name])


def test_counters_may_be_absent(generator):
    state = {k: v for k, v in golden.reference_weights("generator").items() if not k.endswith("num_batches_tracked")}
    load_pytorch_weights(generator, state)
    np.testing.assert_array_equal(pytorch_weights(generator)["fc.weight"], state["fc.weight"])


def test_spade_checkpoints_have_no_attention():
    network = Generator(CONFIG.replace(attention="none"))
    attention = ("conv_64", "cab", "spatialAtt")
    state = {k: v for k, v in golden.reference_weights("generator").items() if not k.startswith(attention)}
    load_pytorch_weights(network, state)
    assert pytorch_weights(network).keys() == state.keys()


def test_a_folded_generator_has_no_counterpart():
    with pytest.raises(UserError, match=r"Received: a FoldedGenerator. Give the trained network"):
        pytorch_weights(Generator(CONFIG).folded())


def test_all_levels_have_no_counterpart_in_the_authors_code():
    network = Generator(CONFIG.replace(cam_levels="all"))
    with pytest.raises(UserError, match="`cam_levels` last"):
        load_pytorch_weights(network, golden.reference_weights("generator"))
    without = Generator(CONFIG.replace(cam_levels="all", attention="sam"))  # fuses nothing: either value will do
    assert "spatialAtt.conv.weight" in pytorch_weights(without)
