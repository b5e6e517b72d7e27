"""One row of `generator.py`, in a process of its own: `python benchmarks/generator_row.py ROW [generator.py's flags]`.

ROW is JSON, `[case, batch size, kind]`: memory of one kind, or where it is `null`, time of all. Prints a JSON object.
"""

import json
import math
import resource
import statistics
import sys
import time

from generator import CASES, HALF, KINDS, TRAINING, TRAINING_BATCH, parser
from label_maps import batches

TRAINING_MAPS = 2
SETTLING_SIZE, SETTLING_STEPS = 256, 4
PICTURE_STD = 0.7  # before tanh: neither grey nor saturated


def ms(function, argument):
    """Milliseconds of a call."""
    start = time.perf_counter()
    function(argument)
    return 1000 * (time.perf_counter() - start)


def in_turns(functions, inputs, repeats):
    """Milliseconds of functions `{kind: function}`: `{kind: [a median for each input]}`."""
    result = {kind: [] for kind in functions}
    for one in inputs:
        times = {kind: [] for kind in functions}
        for _ in range(repeats):
            for kind, function in functions.items():
                times[kind].append(ms(function, one))
        for kind in functions:
            result[kind].append(statistics.median(times[kind]))
    return result


def compared(times, baseline="dense"):
    ratios = [dense / patch_table for dense, patch_table in zip(times[baseline], times["patch_table"], strict=True)]
    medians = {kind: statistics.median(values) for kind, values in times.items()}
    return {"ms": medians, "ratio": statistics.median(ratios), "smallest": min(ratios)}


def device():
    """The GPU's name, or "CPU"."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "CPU"


def peak_mib():
    """Of this process; on a GPU, of its memory."""
    if device() == "CPU":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20


def tensors(inputs):
    import tensorflow as tf

    return [{key: tf.constant(value) for key, value in batch.items()} for batch in inputs]


def settled_generator(case, arguments):
    """A generator of random weights whose pictures are neither grey nor saturated.

    Singular vectors and batch statistics settle on maps of at most 256 pixels a side: weights fit every size.
    """
    import keras
    import tensorflow as tf
    from keras import ops

    from dagan_tf.networks import Generator

    size = tuple(min(side, SETTLING_SIZE) for side in case.size)
    case = case._replace(size=size, maps="regions" if case.maps == "regions" else "real")
    inputs = tensors(batches(case, 1, 1, arguments.data))[0]
    keras.utils.set_random_seed(0)
    generator = Generator(case.config(base_filters=arguments.base_filters))
    for weight in generator.trainable_weights:
        std = 0.1 if len(weight.shape) < 2 else 1 / math.sqrt(math.prod(weight.shape[:-1]))
        weight.assign(tf.random.normal(weight.shape, stddev=std))
    for _ in range(SETTLING_STEPS):
        generator(inputs, training=True)
    last = generator.conv_img
    before = last(ops.leaky_relu(generator.attention(generator.features(inputs)), 0.2))
    mean, std = (function(before, axis=(0, 1, 2)) for function in (tf.reduce_mean, tf.math.reduce_std))
    last.bias.assign((last.bias - mean) * PICTURE_STD / std)
    last.kernel.assign(last.kernel * PICTURE_STD / std)
    return generator


def traced(generator):
    import tensorflow as tf

    function = tf.function(generator)
    return lambda inputs: function(inputs).numpy()


def folded_generators(kinds, case, arguments):
    """The same weights in each kind, as functions: `{kind: function}`."""

    generator = settled_generator(case, arguments)
    return {
        kind: traced(generator.folded(precision, semantics=semantics, image_size=case.size))
        for kind, (semantics, precision) in kinds.items()
    }


def fresh_generator(kind, case, arguments):
    """A folded generator that was never anything else: folding takes memory of its own."""
    from dagan_tf.networks.generator import POLICIES, FoldedGenerator

    semantics, precision = kind
    config = case.config(base_filters=arguments.base_filters)
    return traced(FoldedGenerator(config, semantics, dtype=POLICIES[precision]))


def patch_fractions(inputs, config):
    """Distinct 5x5 and 3x3 patches a pixel at each factor, medians over the batches."""
    from dagan_tf.networks.backbones.spade import spade_stages
    from dagan_tf.semantics import Semantics

    wide, narrow = [], []
    for factor in sorted({stage.factor for stage in spade_stages(config)}):
        levels = [Semantics.from_inputs(batch, config, kind="patch_table").level(factor) for batch in inputs]
        counts = [(level.wide_patches.count, level.patches.count) for level in levels]
        fractions = [[int(count) / math.prod(levels[0].patches.index.shape) for count in pair] for pair in counts]
        wide.append(statistics.median(wide_fraction for wide_fraction, _ in fractions))
        narrow.append(statistics.median(narrow_fraction for _, narrow_fraction in fractions))
    return {"wide": wide, "narrow": narrow}


def difference(picture, expected):
    """The largest difference of two pictures, relative to the second one's largest magnitude."""
    return float(abs(picture - expected).max() / abs(expected).max())


def psnr(picture, expected):
    """In decibel; pictures lie in [-1, 1]."""
    return 10 * math.log10(4 / float(((picture - expected) ** 2).mean()))


def measure_inference(case, batch_size, arguments):
    functions = folded_generators(KINDS | (HALF if arguments.half else {}), case, arguments)
    inputs = tensors(batches(case, batch_size, arguments.maps, arguments.data))
    differences, noise = [], []
    for batch in inputs:  # also traces and warms up
        pictures = {kind: function(batch) for kind, function in functions.items()}
        differences.append(difference(pictures["patch_table"], pictures["dense"]))
        if arguments.half:
            noise.append(psnr(pictures["half"], pictures["dense"]))
    result = compared(in_turns(functions, inputs, arguments.repeats))
    result |= {"maps": len(inputs) * batch_size, "difference": max(differences), "psnr": min(noise, default=None)}
    return result | patch_fractions(inputs, case.config())


def training_inputs(case, arguments):
    import tensorflow as tf

    inputs = tensors(batches(case, TRAINING_BATCH, min(arguments.maps, TRAINING_MAPS), arguments.data))
    shape = (TRAINING_BATCH, *case.size, 3)
    return [{**batch, "image": tf.random.uniform(shape, -1, 1, seed=1)} for batch in inputs]


def training_step(kind, case, arguments):
    """A model with the weights of seed 0, and its step, which returns the losses as floats."""
    import keras
    import tensorflow as tf

    from dagan_tf.training.dagan import DAGAN

    keras.utils.set_random_seed(0)
    model = DAGAN(case.config(base_filters=arguments.base_filters), semantics=kind[0])
    model.compile()
    step = tf.function(model.train_step)
    return model, lambda batch: {name: float(value) for name, value in step(batch).items()}


def measure_training(case, _, arguments):
    models, steps = {}, {}
    for kind, what in KINDS.items():
        models[kind], steps[kind] = training_step(what, case, arguments)
    models["patch_table"].set_weights(models["dense"].get_weights())
    inputs = training_inputs(case, arguments)
    # The generator's losses see the updated discriminator: Adam's first step is a sign, which rounding can turn.
    first = {kind: step(inputs[0]) for kind, step in steps.items()}
    changes = [abs(first["patch_table"][name] - value) / abs(value) for name, value in first["dense"].items()]
    result = compared(in_turns(steps, inputs, arguments.repeats))
    return result | {"maps": len(inputs) * TRAINING_BATCH, "difference": max(changes)}


def measure_memory(name, batch_size, kind, arguments):
    """What a process that does nothing but run one kind has before its first call, and its peak."""
    case, kind = CASES[name], (KINDS | HALF)[kind]
    if name in TRAINING:
        function, inputs = training_step(kind, case, arguments)[1], training_inputs(case, arguments)
    else:
        function = fresh_generator(kind, case, arguments)
        inputs = tensors(batches(case, batch_size, arguments.maps, arguments.data))
    start = peak_mib()
    for batch in inputs:
        function(batch)
    return {"start": start, "peak": peak_mib()}


def measure(name, batch_size, kind, arguments):
    if kind:
        return measure_memory(name, batch_size, kind, arguments)
    function = measure_training if name in TRAINING else measure_inference
    return function(CASES[name], batch_size, arguments) | {"device": device()}


def main():
    row, *flags = sys.argv[1:]
    print(json.dumps(measure(*json.loads(row), parser().parse_args(flags))))


if __name__ == "__main__":
    main()
