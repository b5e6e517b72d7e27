"""A small model and one with instance edges, each made once for a file."""

import pytest

from tests.training.helpers import make_model


@pytest.fixture(scope="module")
def model():
    """A model whose steps run eagerly: nothing is traced, data come through Keras all the same."""
    return make_model()


@pytest.fixture(scope="module")
def edged():
    """A model that reads instance maps."""
    return make_model(use_instance_edges=True)
