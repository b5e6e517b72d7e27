"""The alternating step: the discriminator on the detached image, then the generator through the new discriminator.

PyTorch: the authors update the generator first and run it a second time for the discriminator; here it runs once.
"""

from typing import NamedTuple

import tensorflow as tf

from dagan_tf.training.accumulation import mean_over_micro_batches
from dagan_tf.training.replicas import finite_together


class Drawn(NamedTuple):
    """A batch of examples with the images that the generator has drawn for their label maps."""

    levels: list
    """The discriminator's levels of the label maps."""
    real: tf.Tensor
    """(B, H, W, 3): the examples' own images."""
    fake: tf.Tensor
    """(B, H, W, 3): the generator's."""
    tape: tf.GradientTape | None = None
    """What watched the drawing, in training."""


def draw(model, batch):
    """The `Drawn` of a batch dictionary, in training; the label maps are read once for both networks."""
    semantics = model.generator.read(batch)
    with tf.GradientTape() as tape:
        fake = model.generator.draw(semantics, training=True)
    return Drawn(model.discriminator.levels(semantics), batch["image"], fake, tape)


def whole_step(model, batch):
    """Updates both networks of a `DAGAN` by one batch, whose image serves both updates; returns the losses."""
    drawn = draw(model, batch)
    d_losses, gradients = discriminator_gradients(model, drawn)
    apply(model, model.discriminator_optimizer, gradients, model.discriminator)
    g_losses, gradients = generator_gradients(model, drawn)
    apply(model, model.generator_optimizer, gradients, model.generator)
    return d_losses | g_losses


def accumulated_step(model, batch):
    """The same by the mean gradients over `model.accumulate` micro-batches; returns the mean losses.

    The image of a micro-batch is drawn twice, once for each update: to keep all activations until the second would
    cost the memory that accumulation is for. The statistics and singular vectors that the first drawing moved are then
    set back, so that each micro-batch moves them once, and its image is the same in both updates.
    """
    moving = model.generator.non_trainable_variables
    before = [tf.identity(variable.value) for variable in moving]
    d_losses, gradients = mean_over_micro_batches(
        lambda micro_batch: discriminator_gradients(model, draw(model, micro_batch)), batch, model.accumulate
    )
    for variable, value in zip(moving, before, strict=True):
        variable.assign(value)
    apply(model, model.discriminator_optimizer, gradients, model.discriminator)
    g_losses, gradients = mean_over_micro_batches(
        lambda micro_batch: generator_gradients(model, draw(model, micro_batch)), batch, model.accumulate, gradients
    )
    apply(model, model.generator_optimizer, gradients, model.generator)
    return d_losses | g_losses


def discriminator_gradients(model, drawn):
    """The discriminator's losses on a detached image, and their gradients: `(dictionary, list)`."""
    with tf.GradientTape() as tape:
        d_fake, d_real = model.discriminator_losses(drawn, training=True)
        loss = _scaled(d_fake + d_real, model.discriminator_optimizer)
    return {"d_fake": d_fake, "d_real": d_real}, tape.gradient(loss, model.discriminator.trainable_variables)


def generator_gradients(model, drawn):
    """The generator's losses and their gradients: `(dictionary, list)`."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(drawn.fake)
        values = model.generator_losses(drawn, training=True)
        loss = _scaled(sum(values.values()), model.generator_optimizer)
    # The chain rule in two parts, so that no gradient of the discriminator's own weights is ever computed.
    image_gradient = tape.gradient(loss, drawn.fake)
    variables = model.generator.trainable_variables
    return values, drawn.tape.gradient(drawn.fake, variables, output_gradients=image_gradient)


def apply(model, optimizer, gradients, network):
    """Updates a network; in float16 not on any replica if a gradient of one of them is not finite."""
    if model.compute_dtype == "float16":
        gradients = finite_together(gradients)
    optimizer.apply(gradients, network.trainable_variables)


def _scaled(loss, optimizer):
    """The loss whose gradients are summed over replicas, times the loss scale of half precision, if any."""
    return optimizer.scale_loss(loss / tf.distribute.get_strategy().num_replicas_in_sync)
