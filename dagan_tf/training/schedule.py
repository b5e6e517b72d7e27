"""The learning rates of the paper: two time scales, constant, then linear decay to 0."""

import keras
from keras import ops

from dagan_tf.training.adam import FusedAdam


@keras.saving.register_keras_serializable(package="dagan_tf")
class ConstantThenLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """`rate` for `constant_steps` steps, then linearly to 0 over `decay_steps` steps.

    Args:
        rate: the constant learning rate.
        constant_steps: steps at that rate.
        decay_steps: steps of the decay, at least 1.
    """

    def __init__(self, rate, constant_steps, decay_steps):
        self.rate = rate
        self.constant_steps = constant_steps
        self.decay_steps = decay_steps

    def __call__(self, step):
        done = (ops.cast(step, "float32") - self.constant_steps) / self.decay_steps
        return self.rate * (1.0 - ops.clip(done, 0.0, 1.0))

    def get_config(self):
        return {"rate": self.rate, "constant_steps": self.constant_steps, "decay_steps": self.decay_steps}


def make_optimizers(config, steps_per_epoch):
    """Adam for generator and discriminator with the rates of a `TrainConfig`: `(generator's, discriminator's)`.

    Without epochs of decay the rates are numbers, which callbacks can set; a schedule cannot be.
    """
    constant, decay = config.epochs * steps_per_epoch, config.decay_epochs * steps_per_epoch

    def adam(name, rate):
        rate = ConstantThenLinearDecay(rate, constant, decay) if decay else rate
        return FusedAdam(rate, beta_1=config.beta_1, beta_2=config.beta_2, name=name)

    return (
        adam("generator_optimizer", config.generator_rate),
        adam("discriminator_optimizer", config.discriminator_rate),
    )
