"""The order, the crops and the numbers of batches, against what the definition of each gives."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.data.pipeline import Pipeline
from dagan_tf.errors import UserError

SIZE = (8, 16)


class Examples:
    """Examples whose label and instance map say which example and which pixel they are."""

    def __init__(self, count, height=8, width=16, with_image=True):
        self.count, self.shape, self.with_image = count, (height, width), with_image
        self.read = []

    def __len__(self):
        return self.count

    def name(self, index):
        return f"example {index}"

    def __getitem__(self, index):
        self.read.append(int(index))
        pixel = np.arange(np.prod(self.shape), dtype=np.int32).reshape(self.shape)
        example = {"label": np.full(self.shape, index, np.uint8), "instance": pixel}
        if self.with_image:
            example["image"] = np.stack([pixel % 256] * 3, -1).astype(np.uint8)
        return example


class Broken(Examples):
    """A source of which one example cannot be read."""

    def __getitem__(self, index):
        if index == 3:
            raise UserError("labels/0003.png: cut off")
        return super().__getitem__(index)


def batches(dataset, count=None):
    return [{k: v.numpy() for k, v in b.items()} for b in itertools.islice(dataset, count)]


def first_pixels(found):
    """For every example of some batches: which it is, and the first two pixels of it that were kept."""
    return [
        (int(label[0, 0]), int(instance[0, 0]), int(instance[0, 1]))
        for batch in found
        for label, instance in zip(batch["label"], batch["instance"], strict=True)
    ]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])


def training(source, batch_size=3, **options):
    return Pipeline(source, SIZE, batch_size, **{"training": True, "load_scale": 1.5, "flip": True, **options})


def test_element_spec_is_static():
    pipeline = Pipeline(Examples(7), SIZE, 3, training=True)
    assert pipeline.epoch().element_spec == pipeline.stream().element_spec == {
        "label": tf.TensorSpec((3, *SIZE), tf.uint8),
        "instance": tf.TensorSpec((3, *SIZE), tf.int32),
        "image": tf.TensorSpec((3, *SIZE, 3), tf.float32),
    }  # fmt: skip


def test_labels_alone_make_batches_without_images():
    (batch,) = batches(Pipeline(Examples(2, with_image=False), SIZE, 2, training=False).epoch())
    assert set(batch) == {"label", "instance"}


def test_evaluation_keeps_file_order_and_every_example():
    pipeline = Pipeline(Examples(7), SIZE, 3, training=False)
    found = batches(pipeline.epoch())
    assert pipeline.steps_per_epoch == len(found) == len(pipeline.epoch()) == 3
    assert first_pixels(found) == [(i, 0, 1) for i in range(7)]


def test_images_are_scaled_to_minus_one_to_one():
    (batch,) = batches(Pipeline(Examples(1, 16, 16), (16, 16), 1, training=False).epoch())
    assert batch["image"].dtype == np.float32
    np.testing.assert_allclose(batch["image"][0, ..., 0].ravel(), np.linspace(-1, 1, 256), atol=1e-6)


def test_training_order_is_the_permutation_of_seed_and_epoch():
    pipeline = training(Examples(7), seed=5)
    assert pipeline.steps_per_epoch == 2
    for epoch in (0, 4):
        found = [index for index, *_ in first_pixels(batches(pipeline.epoch(epoch)))]
        assert found == np.random.default_rng((5, epoch)).permutation(7)[:6].tolist()


def test_crop_and_flip_are_those_of_seed_epoch_and_index():
    # As large as the load size, so that every pixel of a crop says where it comes from.
    pipeline = training(Examples(6, 12, 24), seed=5)
    for index, first, second in first_pixels(batches(pipeline.epoch(2))):
        rng = np.random.default_rng((5, 2, index))
        top, left, mirrored = rng.integers(12 - 8 + 1), rng.integers(24 - 16 + 1), rng.random() < 0.5
        assert first == top * 24 + (left + 15 if mirrored else left)
        assert second - first == (-1 if mirrored else 1)


def test_without_flip_nothing_is_mirrored():
    found = first_pixels(batches(training(Examples(6, 12, 24), flip=False).epoch()))
    assert all(second > first for _, first, second in found)


def test_an_epoch_repeats_and_another_differs():
    pipeline = training(Examples(9))
    first = batches(pipeline.epoch(1))
    assert_same(batches(training(Examples(9)).epoch(1)), first)
    assert first_pixels(first) != first_pixels(batches(pipeline.epoch(2)))
    assert first_pixels(first) != first_pixels(batches(training(Examples(9), seed=1).epoch(1)))


def test_the_stream_is_the_epochs_one_after_another():
    pipeline = training(Examples(7))
    expected = [batch for epoch in (0, 1, 2) for batch in batches(pipeline.epoch(epoch))]
    assert_same(batches(pipeline.stream(), 6), expected)


def test_a_stream_of_ragged_epochs_keeps_their_borders():
    pipeline = Pipeline(Examples(5), SIZE, 3, training=False)
    assert [len(b["label"]) for b in batches(pipeline.stream(), 6)] == [3, 2] * 3


def test_a_stream_continues_where_it_stopped_without_reading_what_is_past():
    source = Examples(9)
    whole = batches(training(source).stream(), 8)
    pipeline = training(source)
    assert_same(batches(pipeline.stream(start_epoch=1, start_step=2), 3), whole[5:8])
    source.read.clear()
    assert_same(batches(pipeline.epoch(1, start_step=2)), whole[5:6])
    assert sorted(source.read) == sorted(np.random.default_rng((0, 1)).permutation(9)[6:])


def test_too_few_examples_for_one_batch():
    with pytest.raises(UserError, match=r"one batch of 4.*3 examples"):
        training(Examples(3), batch_size=4)
    with pytest.raises(UserError, match="0 examples"):
        Pipeline(Examples(0), SIZE, 4, training=False)
    assert Pipeline(Examples(3), SIZE, 4, training=False).steps_per_epoch == 1
    assert training(Examples(3), batch_size=4, drop_remainder=False).steps_per_epoch == 1


def test_plain_errors_are_the_sources_own():
    pipeline = Pipeline(Broken(6), SIZE, 2, training=False)
    with pytest.raises(tf.errors.OpError, match="cut off"):
        batches(pipeline.epoch())
    with pytest.raises(UserError) as error, pipeline.plain_errors():
        batches(pipeline.epoch())
    assert str(error.value) == "labels/0003.png: cut off"
    with pytest.raises(KeyError, match="other"), pipeline.plain_errors():
        raise KeyError("other")  # not an example's: it stays what it is, also after one that was


def test_python_ends_while_a_stream_is_being_read():
    code = """
import time
import numpy as np
from dagan_tf.data.pipeline import Pipeline
class Slow(list):
    def __getitem__(self, index):
        time.sleep(0.15)
        return {"label": np.zeros((64, 64), np.uint8)}
stream = iter(Pipeline(Slow(range(50)), (64, 64), 2, training=True).stream())
next(stream)
"""
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False, timeout=60).returncode == 0


def test_fit_sees_the_batches_of_each_epoch():
    import keras

    seen = []

    class Recorder(keras.Model):
        def train_step(self, batch):
            tf.numpy_function(lambda label: seen.append(label[:, 0, 0].tolist()), [batch["label"]], [])
            return {"loss": tf.constant(0.0)}

    pipeline = training(Examples(7))
    model = Recorder()
    model.compile(optimizer=None)
    model.fit(pipeline.stream(), steps_per_epoch=pipeline.steps_per_epoch, epochs=2, shuffle=False, verbose=0)
    expected = [b["label"][:, 0, 0].tolist() for epoch in (0, 1) for b in batches(pipeline.epoch(epoch))]
    assert seen == expected


@pytest.mark.parametrize("dtype", ["int64", "int16", "uint16"])
def test_labels_of_any_integer_dtype(dtype):
    class Source:
        def __len__(self):
            return 2

        def name(self, index):
            return str(index)

        def __getitem__(self, index):
            return {"label": np.full((8, 8), 200 + index, dtype), "image": np.zeros((8, 8, 3), "uint8")}

    batch = next(iter(Pipeline(Source(), SIZE, 2, training=False).epoch()))
    assert batch["label"].dtype == tf.int32
    assert [int(label[0, 0]) for label in batch["label"]] == [200, 201]


def test_batches_have_at_least_one_example():
    with pytest.raises(UserError, match=r"at least 1\. Received: 0"):
        Pipeline(Examples(3), SIZE, 0, training=False)


def test_an_iterator_ends_at_once():
    """TensorFlow's tuner would keep a long-lived iterator from ending for most of a minute."""
    pipeline = training(Examples(8))
    for dataset in (pipeline.epoch(), pipeline.stream()):
        assert dataset.options().autotune.enabled is False


@pytest.mark.parametrize(("hosts", "replicas"), [(1, 4), (2, 2), (2, 4)])
@pytest.mark.parametrize("start_step", [0, 1])
def test_hosts_and_replicas_share_every_global_batch(hosts, replicas, start_step):
    """Put together again, the hosts' batches of a step are the batch that one device gets, example by example."""
    pipeline = training(Examples(19), batch_size=8)
    for name, count in (("epoch", None), ("stream", 5)):
        whole = batches(getattr(pipeline, name)(1, start_step), count)
        hosts_batches = []
        for host in range(hosts):
            dataset = getattr(pipeline.for_host(host, hosts, replicas), name)(1, start_step)
            hosts_batches.append(first_pixels(batches(dataset, count and count * replicas // hosts)))
        own = 8 // hosts
        found = [p for step in range(len(whole)) for one in hosts_batches for p in one[step * own : (step + 1) * own]]
        assert found == first_pixels(whole)
    assert pipeline.for_host(0, hosts, replicas).epoch().element_spec["label"].shape == (8 // replicas, *SIZE)


def test_an_error_on_one_of_several_hosts_comes_out_as_it_was_raised():
    pipeline = training(Broken(8), batch_size=4)
    with pytest.raises(UserError, match="cut off"), pipeline.plain_errors():
        [list(pipeline.for_host(host, 2, 2).epoch()) for host in range(2)]
