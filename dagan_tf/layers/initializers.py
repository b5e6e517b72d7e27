"""The initialisation of every convolution of both networks, as in the authors' code."""

import keras

XAVIER_GAIN = 0.02


def xavier(seed=None):
    """Xavier normal with gain 0.02: standard deviation 0.02 * sqrt(2 / (fan_in + fan_out)), not truncated."""
    return keras.initializers.VarianceScaling(
        scale=XAVIER_GAIN**2, mode="fan_avg", distribution="untruncated_normal", seed=seed
    )
