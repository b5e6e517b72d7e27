"""What `DAGAN.compile` is given: two optimizers, and words for what a model of one network has in their place."""

import keras

from dagan_tf.config import TrainConfig
from dagan_tf.errors import UserError
from dagan_tf.training.schedule import make_optimizers

INITIAL_SCALE = 2.0**10
"""Of float16 losses. From Keras' 2**15 the generator skips its first six steps, down to 2**9."""
INSTEAD = {
    "optimizer": "there are two networks: give `generator_optimizer` and `discriminator_optimizer`, or neither for the "
    "paper's",
    "loss": "the losses are the paper's: give their weights, `feature_weight` and `perceptual_weight`, and "
    "`perceptual_features`",
    "metrics": "the losses are what is reported; measure pictures of `predict` after an epoch, in a callback",
}
INSTEAD |= {"loss_weights": INSTEAD["loss"], "weighted_metrics": INSTEAD["metrics"]}


def check_keywords(keywords):
    """Raises `UserError` for arguments of `keras.Model.compile` that a model of two networks does not have."""
    for name, value in keywords.items():
        if name in INSTEAD and value is not None:
            raise UserError(f"`compile` of a DAGAN has no `{name}`: {INSTEAD[name]}. Received: {value!r}.")


def two_optimizers(model, generator_optimizer=None, discriminator_optimizer=None):
    """The built optimizers of a `DAGAN`: `(generator's, discriminator's)`.

    Args:
        model: the `DAGAN`.
        generator_optimizer, discriminator_optimizer: Keras optimizers or their names; `None`: the paper's Adam.

    Raises:
        UserError: they are no optimizers, one for both networks, or one that another network has.
    """
    if generator_optimizer is discriminator_optimizer and isinstance(generator_optimizer, keras.optimizers.Optimizer):
        raise UserError(
            "Each network needs an optimizer of its own, with its own slots. Received: one object for both. Make two."
        )
    defaults = make_optimizers(TrainConfig(decay_epochs=0), steps_per_epoch=1)
    given = zip((generator_optimizer or defaults[0], discriminator_optimizer or defaults[1]), defaults, strict=True)
    result = tuple(_optimizer(value, default.name, model.compute_dtype) for value, default in given)
    for optimizer, network in zip(result, (model.generator, model.discriminator), strict=True):
        _build(optimizer, network)
    return result


def _optimizer(value, name, compute_dtype):
    """The optimizer, with a loss scale of its own where gradients are of 16 bits with 5 of exponent."""
    try:
        optimizer = keras.optimizers.get(value)
    except ValueError as error:
        raise UserError(f"Expected a Keras optimizer, or its name, as `{name}`. Received: {value!r}.") from error
    if compute_dtype != "float16" or isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer, INITIAL_SCALE, name=f"scaled_{optimizer.name}")


def _build(optimizer, network):
    own = {id(variable) for variable in network.trainable_variables}
    if optimizer.built and {id(variable) for variable in _trained_by(optimizer)} != own:
        raise UserError(
            f"The optimizer {optimizer.name} has the slots of another network. Make a new one for the {network.name}."
        )
    optimizer.build(network.trainable_variables)


def _trained_by(optimizer):
    """The variables that a built optimizer was built with; no public attribute of Keras tells them."""
    return getattr(optimizer, "inner_optimizer", optimizer)._trainable_variables
