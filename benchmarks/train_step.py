"""Time and memory of a training step, its parts, and the overhead of dual attention.

    python benchmarks/train_step.py
    python benchmarks/train_step.py --sizes 64 128 --widths 16 --steps 10 --vgg FILE.npz

Each row is measured in a process of its own, so that its peak memory is its own. The parts are timed as functions of
their own (generator: forward and backward for a given gradient of the picture; discriminator: its own update's losses
and gradients, and the losses of the generator's update with the picture's gradient; perceptual: distance and gradient;
optimizer: both updates for given gradients; input: the pipeline on facades drawn by code, which overlaps with the
step), so they need not add up to the step. Percentages are of the parts' sum.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

from machine import machine


def parser():
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256], help="(default: 64 128 256)")
    result.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64], help="base filters (default: 16 32 64)")
    result.add_argument("--batch-size", type=int, default=2, help="(default: 2)")
    result.add_argument("--steps", type=int, default=5, help="timed runs of each part (default: 5)")
    result.add_argument("--vgg", default="random", help="VGG19 weights, .npz or .h5 (default: random ones)")
    result.add_argument("--row", help=argparse.SUPPRESS)
    return result


def ms(function):
    """Milliseconds of a call."""
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start)


def median_ms(function, runs):
    """Median milliseconds of a call, after two calls to warm up."""
    times = [ms(function) for _ in range(runs + 2)]
    return statistics.median(times[2:])


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def random_vgg():
    """An extractor with VGG19's work and random weights."""
    import keras

    from dagan_tf.features import vgg19 as perceptual

    class RandomVGG19(perceptual.VGG19Features):
        def _load(self, weights):
            return keras.applications.VGG19(include_top=False, weights=None), perceptual.TAPS

    return RandomVGG19()


def parts(model, batch, extractor):
    """The parts of a step as functions without arguments."""
    import tensorflow as tf

    from dagan_tf import losses

    label = {"label": batch["label"]}
    gradient = tf.random.normal(batch["image"].shape)
    generator, discriminator = model.generator.trainable_variables, model.discriminator.trainable_variables

    @tf.function
    def generate():
        with tf.GradientTape() as tape:
            image = model.generator(label, training=True)
        return tape.gradient(image, generator, output_gradients=gradient)

    @tf.function
    def discriminate():
        with tf.GradientTape() as tape:
            loss = sum(model.discriminator_losses(model.drawn(batch, gradient), training=True))
        with tf.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(gradient)
            through = sum(model.generator_losses(model.drawn(batch, gradient), training=True).values())
        return tape.gradient(loss, discriminator), inner.gradient(through, gradient)

    @tf.function
    def perceive():
        with tf.GradientTape() as tape:
            tape.watch(gradient)
            loss = losses.perceptual(extractor(gradient), extractor(batch["image"]), extractor.tap_weights)
        return tape.gradient(loss, gradient)

    @tf.function
    def optimize():
        for optimizer, variables in (
            (model.generator_optimizer, generator),
            (model.discriminator_optimizer, discriminator),
        ):
            optimizer.apply([tf.ones_like(v) * 1e-12 for v in variables], variables)

    return {"generator": generate, "discriminator": discriminate, "perceptual": perceive, "optimizer": optimize}


def input_ms(size, batch_size, steps):
    """Milliseconds a batch of the input pipeline, alone."""
    from dagan_tf.data import Pipeline, ProceduralFacades

    source = ProceduralFacades(batch_size * 4, (size, size))
    batches = iter(Pipeline(source, (size, size), batch_size, training=True, flip=True).stream())
    for _ in range(3):
        next(batches)
    start = time.perf_counter()
    for _ in range(4 * steps):
        next(batches)
    return 1000 * (time.perf_counter() - start) / (4 * steps)


def compiled(size, width, attention):
    from dagan_tf.training.dagan import DAGAN

    model = DAGAN.from_preset("facades", image_size=(size, size), base_filters=width, attention=attention)
    model.compile()
    return model


def drawn_batch(size, batch_size):
    import tensorflow as tf

    from dagan_tf.data import Pipeline, ProceduralFacades

    batch = next(
        iter(Pipeline(ProceduralFacades(batch_size, (size, size)), (size, size), batch_size, training=False).epoch())
    )
    return {name: tf.constant(value) for name, value in batch.items()}


def measure(size, width, batch_size, steps, vgg):
    """One row: milliseconds of the step (with and without attention, in turn), its parts, and peak memory."""
    import tensorflow as tf

    from dagan_tf.features.vgg19 import VGG19Features

    batch = drawn_batch(size, batch_size)
    model = compiled(size, width, "sam+cam2")
    step = tf.function(model.train_step)
    result = {"size": size, "width": width, "step": median_ms(lambda: step(batch), steps), "peak": peak_mib()}
    plain = compiled(size, width, "none")
    plain_step = tf.function(plain.train_step)
    plain_step(batch)
    plain_step(batch)
    # In turn, so that a drift of the machine's speed hits both.
    ratios = [ms(lambda: step(batch)) / ms(lambda: plain_step(batch)) for _ in range(2 * steps)]
    result["attention"] = statistics.median(ratios) - 1
    extractor = random_vgg() if vgg == "random" else VGG19Features(vgg)
    result["parts"] = {name: median_ms(part, steps) for name, part in parts(model, batch, extractor).items()}
    result["parts"]["input"] = input_ms(size, batch_size, steps)
    return result


def print_row(row, base):
    total = sum(row["parts"].values())
    percentages = "".join(f"{100 * value / total:>14.1f} %" for value in row["parts"].values())
    print(
        f"{row['size']:>5}{row['width']:>6}{row['step']:>11.0f}{row['step'] / base['step']:>8.2f}x{row['peak']:>10.0f}"
        f"{100 * row['attention']:>+10.1f} %{percentages}",
        flush=True,
    )


def main():
    arguments = parser().parse_args()
    if arguments.row:
        size, width = map(int, arguments.row.split("x"))
        print(json.dumps(measure(size, width, arguments.batch_size, arguments.steps, arguments.vgg)))
        return
    print(machine())
    print(f"batch {arguments.batch_size}, facades preset, float32; ratio against the first row; VGG19: {arguments.vgg}")
    names = ("generator", "discriminator", "perceptual", "optimizer", "input")
    print(
        f"{'size':>5}{'width':>6}{'ms/step':>11}{'ratio':>9}{'peak MiB':>10}{'attention':>12}"
        + "".join(f"{n:>16}" for n in names)
    )
    base = None
    for size in arguments.sizes:
        for width in arguments.widths:
            flags = ["--batch-size", arguments.batch_size, "--steps", arguments.steps, "--vgg", arguments.vgg]
            command = [sys.executable, __file__, "--row", f"{size}x{width}", *map(str, flags)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"the row {size}x{width} failed:\n{done.stderr[-2000:]}")
            row = json.loads(done.stdout.splitlines()[-1])
            base = base or row
            print_row(row, base)


if __name__ == "__main__":
    main()
