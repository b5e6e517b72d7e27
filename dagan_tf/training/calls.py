"""`fit`, `evaluate` and `predict` as people call them: what is given to them is checked first, errors stand alone."""

import contextlib
import types

import keras

from dagan_tf.data.pipeline import Pipeline
from dagan_tf.errors import UserError
from dagan_tf.training.arrays import check_arrays, is_of_arrays
from dagan_tf.training.batches import plain_errors

WEIGHTS = ("sample_weight", "class_weight")


class PlainCalls(keras.Model):
    """The base of `DAGAN`: Keras' methods, which take a `Pipeline`, too, and say in a sentence what is wrong.

    Their arguments are those of `keras.Model`. They raise `UserError` for data that cannot be used, before anything is
    traced where it can be known then.
    """

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        **kwargs,
    ):
        """Trains for some epochs; see `keras.Model.fit`, and `DAGAN` for the forms of data."""
        self._require_compiled("fit")
        options = {"batch_size": batch_size, "epochs": epochs, "verbose": verbose, "callbacks": callbacks}
        with self._reading(x, validation_data):
            if isinstance(x, Pipeline):
                # Its stream is endless and shuffled, which Keras has to be told.
                steps = kwargs.pop("steps_per_epoch", None) or x.steps_per_epoch
                kwargs = {**kwargs, "shuffle": False, "steps_per_epoch": steps}
                x = x.stream(kwargs.get("initial_epoch", 0))
            if validation_data is not None:
                validation_data = self._batches(*keras.utils.unpack_x_y_sample_weight(validation_data))
            x, y = self._batches(x, y, **_weights(kwargs))
            held_out = {"validation_split": validation_split, "validation_data": validation_data}
            return super().fit(x, y, **options, **held_out, **kwargs)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """The losses of inference-mode pictures; see `keras.Model.evaluate`, and `DAGAN` for the forms of data."""
        self._require_compiled("evaluate")
        with self._reading(x):
            return super().evaluate(*self._batches(x, y, **_weights(kwargs)), *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        """Pictures, float32 (B, H, W, 3) in [-1, 1]; see `keras.Model.predict`, and `DAGAN` for the forms of data."""
        with self._reading(x):
            return super().predict(self._batches(x, images=False)[0], *args, **kwargs)

    def train_on_batch(self, x, y=None, **kwargs):
        """One step; see `keras.Model.train_on_batch`, and `DAGAN` for the forms of data."""
        self._require_compiled("train_on_batch")
        with self._reading(x):
            return super().train_on_batch(*self._batches(x, y, **_weights(kwargs)), **kwargs)

    def test_on_batch(self, x, y=None, **kwargs):
        """The losses of one batch; see `keras.Model.test_on_batch`, and `DAGAN` for the forms of data."""
        self._require_compiled("test_on_batch")
        with self._reading(x):
            return super().test_on_batch(*self._batches(x, y, **_weights(kwargs)), **kwargs)

    def predict_on_batch(self, x):
        """Pictures of one batch, float32 (B, H, W, 3) in [-1, 1]."""
        with self._reading(x):
            return super().predict_on_batch(self._batches(x, images=False)[0])

    def _batches(self, x, y=None, weight=None, images=True):
        """`(x, y)` as Keras takes them; `UserError` for what cannot be used and is known before it is read."""
        if x is None:
            raise UserError(
                "Expected data: arrays, a `tf.data.Dataset`, a generator, a `PyDataset` or a `Pipeline`. "
                "Received: none."
            )
        if is_of_arrays(x) or weight is not None:
            check_arrays(x, y, weight, self.config, images)
        elif hasattr(x, "name") and hasattr(x, "__getitem__"):
            raise UserError(
                f"Expected batches. Received: the examples of a {type(x).__name__}. Put them into a pipeline: "
                "dagan_tf.Pipeline(examples, image_size, batch_size, training=True)."
            )
        if isinstance(x, Pipeline):
            return x.epoch(), None
        if isinstance(x, types.GeneratorType):  # of which Keras takes tuples alone
            return (batch if isinstance(batch, tuple) else (batch,) for batch in x), y
        return x, y

    @contextlib.contextmanager
    def _reading(self, *data):
        """A context in which data are read: what is wrong with them comes out as a `UserError`."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(plain_errors())
            for pipeline in data:
                if isinstance(pipeline, Pipeline):
                    stack.enter_context(pipeline.plain_errors())
            yield

    def _require_compiled(self, method):
        if not self.compiled:
            raise UserError(
                f"`{method}` needs optimizers and losses. Received: a model that was not compiled. Call "
                "`model.compile()` first; without arguments it takes the paper's."
            )


def _weights(keywords):
    """What was given as weights of examples, to be refused: a dictionary with `weight`, or an empty one."""
    given = [keywords[name] for name in WEIGHTS if keywords.get(name) is not None]
    return {"weight": given[0]} if given else {}
