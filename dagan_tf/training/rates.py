"""One learning rate for two optimizers: what Keras' callbacks read and set."""

import keras

from dagan_tf.errors import UserError


def rate_of(optimizer):
    """The learning rate of an optimizer now, as a number, also of one that several replicas have."""
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


class BothOptimizers:
    """The two optimizers as the one that Keras' callbacks look for in `model.optimizer`.

    Its `learning_rate` is the generator's. Setting it, as `LearningRateScheduler` and `ReduceLROnPlateau` do, sets the
    discriminator's, too, so that their ratio stays what it was at `compile` (two time scales: Heusel et al., NeurIPS
    2017).

    Args:
        generator, discriminator: Keras optimizers.
    """

    def __init__(self, generator, discriminator):
        self.generator = generator
        self.discriminator = discriminator
        self._rates = rate_of(generator), rate_of(discriminator)

    @property
    def learning_rate(self):
        """The generator's rate now."""
        return self.generator.learning_rate

    @learning_rate.setter
    def learning_rate(self, rate):
        of_generator, of_discriminator = self._rates
        if not of_generator:
            raise UserError(
                "A learning rate is set for both optimizers in the ratio that they had at `compile`. Received: 0 for "
                "the generator's. Compile with a rate above 0."
            )
        try:
            other = rate * of_discriminator / of_generator
            self.generator.learning_rate = rate
            self.discriminator.learning_rate = other
        except TypeError:  # how Keras refuses it
            raise UserError(
                "A learning rate can be set where it is a number. Received: an optimizer whose rate follows a schedule "
                "of its own. Compile with optimizers of constant rates, or leave out the callback that sets it."
            ) from None

    built = True
    """For callbacks that would build an optimizer before they load weights into it."""

    @property
    def variables(self):
        """The variables of both: a list."""
        return [*self.generator.variables, *self.discriminator.variables]

    def get_config(self):
        """Raises `UserError`: only the old format `.h5` asks, which cannot hold a model of two networks."""
        raise UserError(
            "A model of two optimizers cannot be saved as .h5. Give `model.save('name.keras')` for the whole model, or "
            "`model.save_weights('name.weights.h5')` for its weights."
        )

    @property
    def iterations(self):
        """Steps of the generator's optimizer."""
        return self.generator.iterations
