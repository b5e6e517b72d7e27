"""Adam in one operator for each variable."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="dagan_tf")
class FusedAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` with its arguments, variables and numbers, in one pass over memory instead of a dozen."""

    def apply(self, grads, trainable_variables=None):
        # These are the same for all variables. Computed here, and not for each variable, they are a few nodes of a
        # step's graph instead of a thousand.
        step = tf.cast(self.iterations + 1, tf.float32)
        self._beta_1, self._beta_2, self._epsilon = (tf.constant(x) for x in (self.beta_1, self.beta_2, self.epsilon))
        self._beta_1_power, self._beta_2_power = tf.pow(self._beta_1, step), tf.pow(self._beta_2, step)
        try:
            return super().apply(grads, trainable_variables)
        finally:  # tensors of a graph, which they would keep in memory
            self._beta_1 = self._beta_2 = self._epsilon = self._beta_1_power = self._beta_2_power = None

    def update_step(self, gradient, variable, learning_rate):
        if self.amsgrad or isinstance(gradient, tf.IndexedSlices) or variable.dtype != "float32":
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=self._beta_1_power,
            beta2_power=self._beta_2_power,
            lr=learning_rate,
            beta1=self._beta_1,
            beta2=self._beta_2,
            epsilon=self._epsilon,
            grad=gradient,
        )
