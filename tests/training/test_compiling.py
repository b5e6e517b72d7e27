"""What `compile` of a model of two networks refuses, in words."""

import keras
import pytest

from dagan_tf.errors import UserError
from dagan_tf.training.dagan import DAGAN
from tests.training.helpers import SMALL, examples


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "adam"}, "no `optimizer`: there are two networks"),
        ({"loss": "mse"}, "no `loss`: the losses are the paper's"),
        ({"metrics": ["mae"]}, "no `metrics`: the losses are what is reported"),
        ({"generator_optimizer": "adamm"}, "Expected a Keras optimizer, or its name, as `generator_optimizer`"),
        ({"discriminator_optimizer": 3}, "as `discriminator_optimizer`. Received: 3"),
    ],
)
def test_what_does_not_fit(model, arguments, message):
    before = model.optimizers
    with pytest.raises(UserError, match=message):
        model.compile(**arguments)
    assert all(new is old for new, old in zip(model.optimizers, before, strict=True))  # as it was


def test_shared_optimizers(model, edged):
    with pytest.raises(UserError, match=r"Received: one object for both. Make two"):
        model.compile(shared := keras.optimizers.SGD(), shared)
    with pytest.raises(UserError, match="has the slots of another network"):
        edged.compile(model.generator_optimizer)


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_before_it(method):
    model = DAGAN.from_preset("facades", **SMALL)
    with pytest.raises(UserError, match=rf"`{method}` needs optimizers .* Call `model.compile\(\)` first"):
        getattr(model, method)(*examples())
