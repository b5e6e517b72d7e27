"""VGG19 features for the perceptual loss: from `keras.applications`, from a file, as many blocks as it has."""

import logging
import pathlib
import zipfile

import keras
import numpy as np

from dagan_tf.errors import UserError

TAPS = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block5_conv1")  # relu1_1 .. relu5_1
TAP_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
# Keras' VGG19 reads pixels in units of 0..255, the authors' VGG19 gets them in [-1, 1]: but for the biases, its
# features, and the loss that the weights were chosen for, are smaller by this factor.
FEATURE_SCALE = 127.5

log = logging.getLogger("dagan_tf")


class VGG19Features:
    """Features relu1_1 .. relu5_1 of VGG19 (Simonyan and Zisserman, 2015), with their weights in the perceptual loss.

    A plain object, not a layer: a model that holds it neither trains nor saves the 20 million fixed weights.

    The authors' PyTorch code feeds its VGG19 the raw [-1, 1] image. Here the image goes through Keras' own
    preprocessing, as the weights were trained with, and features are divided by `FEATURE_SCALE` so that the loss keeps
    its magnitude. With fewer taps the loss is smaller: three of the five have 0.22 of the 1.47 that their weights add
    up to.

    Args:
        weights: "imagenet" (fetched by `keras.applications`), or a file: `.h5` in Keras' format without top, or `.npz`
            with arrays `block1_conv1/kernel` (3, 3, I, O), `block1_conv1/bias` (O,) and so on, complete to some block.

    Attributes:
        taps: names of the layers whose outputs are returned: those that the weights reach.
        tap_weights: a number per tap.

    Raises:
        UserError: the weights cannot be fetched, or the file is missing, unreadable or has no complete tap.
    """

    def __init__(self, weights="imagenet"):
        network, self.taps = self._load(str(weights))
        self.tap_weights = TAP_WEIGHTS[: len(self.taps)]
        outputs = [network.get_layer(name).output for name in self.taps]
        self.network = keras.Model(network.inputs, outputs, name="vgg19_features")
        self.network.trainable = False
        if len(self.taps) < len(TAPS):
            log.warning(
                "Perceptual loss: %s has weights for %d of the 5 taps (%s); the others are left out.",
                weights, len(self.taps), ", ".join(self.taps),
            )  # fmt: skip

    def __call__(self, image):
        """Features of an image (B, H, W, 3) in [-1, 1]: a list of (B, H/2^i, W/2^i, C_i), i = 0, 1, ..."""
        pixels = keras.applications.vgg19.preprocess_input((keras.ops.cast(image, "float32") + 1.0) * 127.5)
        features = self.network(pixels, training=False)
        features = features if isinstance(features, list) else [features]
        return [feature / FEATURE_SCALE for feature in features]

    def _load(self, weights):
        if weights == "imagenet":
            return self._fetched(), TAPS
        path = pathlib.Path(weights)
        if not path.is_file():
            raise UserError(
                f"The perceptual loss needs VGG19 weights: expected 'imagenet', 'off' or a .h5 or .npz file. "
                f"Received: {weights}, which is not there."
            )
        return self._from_npz(path) if path.suffix == ".npz" else (self._from_h5(path), TAPS)

    @staticmethod
    def _network(weights):
        return keras.applications.VGG19(include_top=False, weights=weights)

    def _fetched(self):
        try:
            return self._network("imagenet")
        except Exception as error:  # Keras wraps every kind of failed download in a bare Exception
            raise UserError(
                f"The VGG19 weights of the perceptual loss could not be fetched ({error}). Give a file that you have "
                "(`perceptual` FILE.h5 or FILE.npz) or train without that loss (`perceptual` off)."
            ) from error

    def _from_h5(self, path):
        try:
            return self._network(str(path))
        except (OSError, ValueError) as error:
            raise UserError(
                f"{path} could not be read as VGG19 weights without top, in Keras' .h5 format: {error}. Give Keras' "
                "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5, an .npz file, or `perceptual` off."
            ) from error

    def _from_npz(self, path):
        try:
            with path.open("rb") as file, np.load(file) as members:
                arrays = dict(members)
        except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
            raise UserError(f"{path} could not be read as an .npz file: {error}.") from error
        network = self._network(None)
        convolutions = [layer for layer in network.layers if "conv" in layer.name]
        loaded = []
        for layer in convolutions:
            pair = [arrays.get(f"{layer.name}/{part}") for part in ("kernel", "bias")]
            if pair[0] is None or pair[1] is None:
                break
            try:
                layer.set_weights(pair)
            except ValueError as error:
                raise UserError(f"{path}: {layer.name} does not have VGG19's shape: {error}.") from error
            loaded.append(layer.name)
        taps = tuple(tap for tap in TAPS if tap in loaded)
        if not taps:
            raise UserError(
                f"{path} holds no VGG19 layer: expected arrays block1_conv1/kernel, block1_conv1/bias, ... "
                f"Received: {', '.join(sorted(arrays)[:6]) or 'nothing'}."
            )
        return network, taps
