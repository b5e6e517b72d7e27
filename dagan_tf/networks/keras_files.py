"""How networks are saved by Keras' own methods, and what is said about names that fit none of them."""

import keras

from dagan_tf.errors import UserError

WHOLE = (".keras",)
WEIGHTS = (".weights.h5", ".weights.json")


class KerasFiles(keras.Model):
    """The base of networks and of `DAGAN`: Keras' methods for files, which say what to use where a name fits none."""

    def save(self, filepath, *args, **kwargs):
        """Saves the model as a `.keras` file, see `keras.Model.save`; `UserError` for another name."""
        if kwargs.get("zipped") is not False:  # a folder was asked for
            _check_name(filepath, WHOLE, "save")
        return super().save(filepath, *args, **kwargs)

    def save_weights(self, filepath, *args, **kwargs):
        """Saves the weights as `.weights.h5`, see `keras.Model.save_weights`; `UserError` for another name."""
        _check_name(filepath, WEIGHTS, "save_weights")
        return super().save_weights(filepath, *args, **kwargs)

    def load_weights(self, filepath, *args, **kwargs):
        """Loads weights out of `.weights.h5` or `.keras`, see `keras.Model.load_weights`; `UserError` for others."""
        _check_name(filepath, WEIGHTS + WHOLE, "load_weights")
        return super().load_weights(filepath, *args, **kwargs)

    def save_spec(self, dynamic_batch=True):
        """Raises `UserError`: `tf.lite.TFLiteConverter.from_keras_model` asks for this, and would lose weights."""
        raise UserError(
            f"TFLite's from_keras_model cannot read a {type(self).__name__}. Give "
            "`dagan_tf.exports.tflite.convert(generator.folded(semantics='dense'))`, or export the run with "
            "`python -m dagan_tf.export --tflite`, which measures its files, too."
        )


def _check_name(filepath, suffixes, method):
    name = str(filepath)
    if name.endswith(suffixes):
        return
    raise UserError(
        f"`{method}` takes a name that ends in {' or '.join(suffixes)}. Received: {name}. Give "
        "`model.save('name.keras')` for the whole model, `model.save_weights('name.weights.h5')` for its weights, "
        "`model.export('folder')` for a SavedModel."
    )
