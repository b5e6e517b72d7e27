"""Batches for training and evaluation out of any source of examples, as `tf.data`.

What an example becomes depends on (seed, epoch, index) alone and not on threads: a run that stopped anywhere
continues to the same numbers.
"""

import atexit
import contextlib
import copy
import os
import threading
import time

import numpy as np
import tensorflow as tf

from dagan_tf.data.transform import transform
from dagan_tf.errors import UserError
from dagan_tf.images import from_uint8_tensor

PREFETCH = 4  # batches, for each replica

_exiting = threading.Event()
_calls = []  # one entry per example asked for while Python exits
_busy = set()  # the threads that are reading an example now


@atexit.register
def _drain():
    """Lets TensorFlow's threads fill their buffers before Python ends.

    A thread that calls into Python while it ends never returns, and the iterator waits for it: a process that holds
    an unfinished dataset, if only in the traceback of its last error, would hang for ever.
    """
    _exiting.set()
    seen = -1
    while _busy or len(_calls) > seen:
        seen = len(_calls)
        time.sleep(0.1)


class Pipeline:
    """Batches of examples, epoch by epoch, as `tf.data` datasets.

    A batch is a dictionary of `"label"` `(B, H, W)` uint8 or int32, as the source has it, `"image"` `(B, H, W, 3)`
    float32 in [-1, 1] and `"instance"` `(B, H, W)` int32, the last two where the source has them.

    Args:
        source: anything with `len(source)`, `source[index]` and `source.name(index)`; see `FileSource`.
        image_size: `(height, width)` of the batches.
        batch_size: examples in a batch.
        training: shuffle, crop and flip; otherwise file order and a plain resize.
        load_scale: multiple of `image_size` that training examples are resized to before they are cropped.
        flip: mirror half of the training examples.
        scale_jitter, colour_jitter: how much training examples vary beyond that, see `transform`.
        seed: seed of order, crops, flips and jitter, at least 0.
        drop_remainder: leave out the last, smaller batch of an epoch; None: in training only.

    Raises:
        UserError: there are fewer examples than one batch where smaller batches are left out, or the first example
            cannot be read.
    """

    def __init__(
        self,
        source,
        image_size,
        batch_size,
        *,
        training,
        load_scale=1.0,
        flip=False,
        scale_jitter=0.0,
        colour_jitter=0.0,
        seed=0,
        drop_remainder=None,
    ):
        if batch_size < 1:
            raise UserError(f"batch_size must be at least 1. Received: {batch_size}.")
        self._source, self._batch_size, self._seed = source, batch_size, seed
        self._image_size = tuple(image_size)
        self._training = training
        self._changes = {"load_scale": load_scale, "flip": flip}
        self._changes |= {"scale_jitter": scale_jitter, "colour_jitter": colour_jitter}
        self._drop_remainder = training if drop_remainder is None else drop_remainder
        self._host, self._hosts, self._replicas = 0, 1, 1
        self._failures = []
        if len(source) < (batch_size if self._drop_remainder else 1):
            raise UserError(
                f"Expected at least one batch of {batch_size} examples. Received: {len(source)} examples. Add "
                "examples, or choose a smaller batch size."
            )
        # Every example has the keys and dtypes of the first.
        self._dtypes = {key: tf.as_dtype(value.dtype) for key, value in _plain(source[0]).items()}

    @property
    def num_examples(self):
        """Examples of the source."""
        return len(self._source)

    @property
    def steps_per_epoch(self):
        """Batches in an epoch."""
        whole, rest = divmod(len(self._source), self._batch_size)
        return whole + (rest > 0 and not self._drop_remainder)

    @contextlib.contextmanager
    def plain_errors(self):
        """A context in which batches are used: an error of an example comes out of it as it was raised.

        TensorFlow would wrap it, for example a `UserError` that names a file, in an error and a trace of its own.
        """
        self._failures.clear()
        try:
            yield
        except Exception:
            if not self._failures:
                raise
            raise self._failures[0] from None

    def for_host(self, host=0, hosts=1, replicas=1):
        """The pipeline of one of several hosts that train together: of every batch the examples of its own replicas.

        Its batches are those of one replica each, one replica after the other.

        Args:
            host: index of the host.
            hosts: how many there are, with as many replicas each.
            replicas: how many there are on all hosts; the batch size must be a multiple.
        """
        result = copy.copy(self)
        result._host, result._hosts, result._replicas = host, hosts, replicas
        return result

    def epoch(self, epoch=0, start_step=0):
        """The batches of one epoch, a finite `tf.data.Dataset`; the first `start_step` are left out undecoded."""
        return self._ready(self._first_epoch(epoch, start_step))

    def stream(self, start_epoch=0, start_step=0):
        """The batches of all epochs from there on, an endless `tf.data.Dataset` for `model.fit`.

        Give `fit` the `steps_per_epoch` of this pipeline: its epochs then equal `epoch(0)`, `epoch(1)` and so on.
        """
        later = tf.data.Dataset.counter(start_epoch + 1).flat_map(self._later_epoch)
        return self._ready(self._first_epoch(start_epoch, start_step).concatenate(later))

    def _ready(self, batches):
        """The batches, some of them made ahead, without TensorFlow's tuning of how many.

        Its tuner sleeps ever longer, and an iterator's end waits for it: after minutes of training, for most of a
        minute.
        """
        options = tf.data.Options()
        options.autotune.enabled = False
        return batches.prefetch(PREFETCH * (self._replicas // self._hosts)).with_options(options)

    def _first_epoch(self, epoch, start_step):
        order = self._order(epoch)[start_step * (self._batch_size // self._hosts) :]
        return self._batches(order, np.int64(epoch))

    def _later_epoch(self, epoch):
        order = tf.numpy_function(self._order, [epoch], tf.int64)
        order.set_shape([None])
        return self._batches(order, epoch)

    def _order(self, epoch):
        """The indices of an epoch, int64, without those of other hosts and of a batch that would be dropped."""
        order = np.arange(len(self._source))
        if self._training:
            order = np.random.default_rng((self._seed, epoch)).permutation(order)
        order = order[: self.steps_per_epoch * self._batch_size]
        if self._hosts == 1:
            return order
        return order.reshape(self.steps_per_epoch, self._hosts, -1)[:, self._host].ravel()

    def _batches(self, order, epoch):
        examples = tf.data.Dataset.from_tensor_slices(order).map(
            lambda index: self._tensors(index, epoch), num_parallel_calls=os.cpu_count(), deterministic=True
        )
        # Images stay uint8, a quarter of the memory, until they are in a batch.
        return examples.batch(self._batch_size // self._replicas, drop_remainder=self._drop_remainder).map(_scale)

    def _tensors(self, index, epoch):
        values = tf.numpy_function(self._example, [index, epoch], list(self._dtypes.values()))
        example = dict(zip(self._dtypes, values, strict=True))
        for key, value in example.items():
            value.set_shape((*self._image_size, 3) if key == "image" else self._image_size)
        return example

    def _example(self, index, epoch):
        """One example as numpy arrays in the order of `_dtypes`; called from TensorFlow's threads."""
        if _exiting.is_set():
            _calls.append(index)
            return self._blank()
        _busy.add(threading.get_ident())
        try:
            rng = np.random.default_rng((self._seed, epoch, index)) if self._training else None
            example = transform(_plain(self._source[index]), self._image_size, **self._changes, rng=rng)
            return [example[key] for key in self._dtypes]
        except Exception as error:
            self._failures.append(error)
            raise
        finally:
            _busy.discard(threading.get_ident())

    def _blank(self):
        """What nobody will look at: zeros instead of an example."""
        shapes = {"image": (*self._image_size, 3)}
        return [np.zeros(shapes.get(k, self._image_size), t.as_numpy_dtype) for k, t in self._dtypes.items()]


def _plain(example):
    """The example with ids in a dtype that both PIL and TensorFlow have: uint8 stays, others become int32."""
    return {key: value if value.dtype == np.uint8 else np.asarray(value, np.int32) for key, value in example.items()}


def _scale(batch):
    """The batch with its images in [-1, 1]."""
    if "image" not in batch:
        return batch
    return {**batch, "image": from_uint8_tensor(batch["image"])}
