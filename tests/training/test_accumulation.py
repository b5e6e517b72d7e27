"""Gradient accumulation: the written-out means over micro-batches, whatever examples of the batch a device has."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.errors import UserError
from dagan_tf.training.accumulation import _add_in_a_row, mean_over_micro_batches
from tests.helpers import run_python
from tests.training.test_dagan import make_batch, make_model


def test_micro_batches_do_not_depend_on_the_number_of_replicas():
    """On any number of them a micro-batch holds the same examples of the global batch."""
    in_micro_batches = {}
    for replicas in (1, 2, 4):
        seen = [[] for _ in range(2)]
        for examples in np.split(np.arange(8), replicas):
            found = []
            mean_over_micro_batches(
                lambda micro_batch, found=found: found.append(micro_batch["x"].numpy()) or 0.0,
                {"x": tf.constant(examples)},
                2,
            )
            for whole, own in zip(seen, found, strict=True):
                whole += own.tolist()
        in_micro_batches[replicas] = seen
    assert in_micro_batches[1] == in_micro_batches[2] == in_micro_batches[4] == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_the_mean_of_a_nest():
    x = np.arange(6.0)
    values, squares = mean_over_micro_batches(lambda p: ({"sum": tf.reduce_sum(p["x"])}, [p["x"][0] ** 2]), {"x": x}, 3)
    assert float(values["sum"]) == x.sum() / 3
    assert float(squares[0]) == np.mean(x[:3] ** 2)


def test_a_micro_batch_of_replicas_waits_for_the_one_before_with_all_that_it_computes():
    """Also with what does not depend on examples, as a kernel over its sigma: that is memory, too."""
    kernel = tf.Variable(2.0)

    @tf.function
    def step(x):
        return _add_in_a_row(lambda micro_batch: tf.square(kernel, name="square") * micro_batch, 3, x)

    graph = step.get_concrete_function(tf.TensorSpec([])).graph
    sums = [op for op in graph.get_operations() if op.type == "AddV2"]
    squares = [op for op in graph.get_operations() if op.type == "Square"]
    assert (len(sums), len(squares)) == (2, 2)
    (group,) = squares[1].inputs[0].op.control_inputs  # of the kernel's reading
    assert group.type == "NoOp"
    assert sums[0] in group.control_inputs


def test_the_loop_begins_when_the_first_micro_batch_has_ended():
    """A micro-batch's examples need no sum: nothing else would keep the second one back."""

    @tf.function
    def step(x):
        return mean_over_micro_batches(lambda micro_batch: tf.reduce_sum(micro_batch["x"] ** 2), {"x": x}, 2)

    graph = step.get_concrete_function(tf.TensorSpec([4])).graph
    (loop,) = (op for op in graph.get_operations() if op.type in ("While", "StatelessWhile"))
    (begins,) = (tensor.op for tensor in loop.inputs if tensor.op.type == "Const" and tensor.op.control_inputs)
    (group,) = begins.control_inputs
    assert [op.type for op in group.control_inputs] == ["Sum"]


TEMPORARIES = """
import re, sys, pathlib, tensorflow as tf
from dagan_tf.training.accumulation import _add_in_a_row, mean_over_micro_batches

def product(batch):
    x = batch["x"]
    for _ in range(4):
        x = tf.sin(x @ x)
    return tf.reduce_sum(x)

def step(x):
    count = int(sys.argv[1])
    return product({"x": x}) if count == 1 else mean_over_micro_batches(product, {"x": x}, count)

step = tf.function(step, jit_compile=True)
step(tf.zeros((8, 64, 64)))
(plan,) = pathlib.Path(sys.argv[2]).glob("*buffer-assignment.txt")
print(sum(map(int, re.findall(r"size (\\d+), preallocated-temp", plan.read_text()))))
"""


def test_a_compiled_step_in_micro_batches_takes_the_memory_of_one(tmp_path):
    """By XLA's own plan: it knows nothing of control edges."""
    whole, divided = (
        int(run_python(TEMPORARIES, count, tmp_path / str(count), XLA_FLAGS=f"--xla_dump_to={tmp_path / str(count)}"))
        for count in (1, 8)
    )
    assert whole >= 8 * 64 * 64 * 4
    assert divided < 1.1 * whole / 8


@pytest.mark.parametrize(
    ("semantics", "options"),
    [
        ("dense", {"run_eagerly": True}),
        ("patch_table", {}),
        # XLA compiles both loops for minutes; that it compiles a loop in the memory of one is a test above.
        pytest.param("dense", {"jit_compile": True}, marks=pytest.mark.slow),
    ],
    ids=["eager", "graph", "XLA"],
)
def test_one_step_in_micro_batches_is_written_out(semantics, options):
    model, twin, batch = make_model(semantics=semantics), make_model(), make_batch(4)
    for each in (model, twin):
        each.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), accumulate=2, **options)
    model.train_on_batch(batch)

    micro_batches = [{k: v[p::2] for k, v in batch.items()} for p in range(2)]
    steps = (
        (twin.discriminator, twin.discriminator_optimizer, twin.discriminator_losses, sum),
        (twin.generator, twin.generator_optimizer, twin.generator_losses, lambda values: sum(values.values())),
    )
    statistics = [variable.numpy() for variable in twin.generator.non_trainable_variables]
    for network, optimizer, losses, total in steps:
        # Each micro-batch moves statistics and singular vectors once, though its image is drawn for either update.
        for variable, value in zip(twin.generator.non_trainable_variables, statistics, strict=True):
            variable.assign(value)
        gradients = []
        for micro_batch in micro_batches:
            with tf.GradientTape() as tape:
                fake = twin.generator({"label": micro_batch["label"]}, training=True)
                loss = total(losses(twin.drawn(micro_batch, fake), training=True))
            gradients.append(tape.gradient(loss, network.trainable_variables))
        optimizer.apply([(a + b) / 2 for a, b in zip(*gradients, strict=True)], network.trainable_variables)

    for network in ("generator", "discriminator"):
        for a, b in zip(getattr(model, network).variables, getattr(twin, network).variables, strict=True):
            np.testing.assert_allclose(a.value, b.value, rtol=1e-4, atol=2e-6, err_msg=a.path)


ONE_DEVICE = """
import tensorflow as tf
from tests.training.test_dagan import make_batch, make_model

with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
    model = make_model(semantics="auto")
    model.compile(accumulate=2)
model.fit(tf.data.Dataset.from_tensors(make_batch(4)), shuffle=False, verbose=0)
print(model.steps_done)
"""


def test_a_strategy_of_one_device_trains():
    """Its replica agrees with itself, which TensorFlow refuses in a loop, and in a function of its own.

    In a fresh process: in others layers may have been traced before.
    """
    assert run_python(ONE_DEVICE).split()[-1] == "1"


def test_micro_batches_that_do_not_fit_are_refused():
    halves = tf.function(
        lambda x: mean_over_micro_batches(lambda micro_batch: tf.reduce_sum(micro_batch["x"]), {"x": x}, 2),
        input_signature=[tf.TensorSpec([None])],
    )
    assert float(halves(tf.ones(4))) == 2
    for count in (0, 3):
        with pytest.raises(tf.errors.InvalidArgumentError, match="expected a multiple of 2"):
            halves(tf.ones(count))
    with pytest.raises(UserError, match=r"into 2 micro-batches: expected a multiple of 2\. Received: 3"):
        mean_over_micro_batches(lambda micro_batch: micro_batch["x"], {"x": tf.zeros(3)}, 2)
    with pytest.raises(UserError, match=r"`accumulate` must be .* at least 1\. Received: 0"):
        make_model().compile(accumulate=0)
