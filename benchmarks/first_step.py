"""How long a newcomer waits for the first training step, the first picture and the first request.

    python benchmarks/first_step.py

The model is that of the quick start (`make train`): facades, 64x64 pixels, a quarter of the width, batch 4. Each row is
measured in a process of its own, once to count and once to time. Nodes are those of the graph and its functions
together; calls are those of Python functions while TensorFlow traces, as `cProfile` counts them: neither depends on the
machine. "trace" is the time until the graph is there, "first" the first step, picture or request after it, in which
TensorFlow optimizes the graph; "later" is the median of ten more. Dense semantics are the baseline of the ratios.
"""

import argparse
import cProfile
import json
import pstats
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from machine import machine

MODEL = {"image_size": (64, 64), "base_filters": 16, "spade_filters": 48, "discriminator_filters": 32}
BATCH, LATER = 4, 10
WHAT = ("train_step", "generate", "SavedModel")
KINDS = ("dense", "auto")


def parser():
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--what", nargs="+", choices=WHAT, default=WHAT, help=f"(default: {' '.join(WHAT)})")
    result.add_argument("--row", help=argparse.SUPPRESS)
    return result


def model(kind):
    """The quick start's model, compiled."""
    import dagan_tf

    result = dagan_tf.DAGAN.from_preset("facades", semantics=kind, **MODEL)
    result.compile()
    return result


def examples():
    """A batch of facades drawn by code."""
    import dagan_tf

    facades = dagan_tf.ProceduralFacades(BATCH, size=MODEL["image_size"])
    batch = [facades[i] for i in range(BATCH)]
    image = np.stack([example["image"] for example in batch]).astype("float32") / 127.5 - 1
    return {"label": np.stack([example["label"] for example in batch]), "image": image}


def train_step(kind):
    """`(trace, run)`: functions that trace the training step, and run it."""
    import tensorflow as tf

    step, batch = tf.function(model(kind).train_step), {k: tf.constant(v) for k, v in examples().items()}
    return (lambda: step.get_concrete_function(batch)), (lambda: step(batch))


def generate(kind):
    """The same for pictures: the generator as `generate` calls it."""
    import tensorflow as tf

    label = tf.constant(examples()["label"][:1])
    draw = tf.function(model(kind).generator)
    inputs = {"label": label}
    return (lambda: draw.get_concrete_function(inputs)), (lambda: draw(inputs))


def saved_model(kind):
    """The same for an exported model: loading it, and a request."""
    import tensorflow as tf

    from dagan_tf.exports.signatures import DEFAULT, Signatures
    from dagan_tf.presets import facades

    folder = tempfile.mkdtemp()
    Signatures(model(kind).generator.folded(), facades.LABELS).save(folder)
    label, loaded = tf.constant(examples()["label"][:1]), []

    def load():
        loaded.append(tf.saved_model.load(folder))
        return loaded[0].signatures[DEFAULT]

    return load, (lambda: loaded[0].signatures[DEFAULT](label_map=label))


def nodes(function):
    """Nodes of a concrete function's graph and of the functions that it calls."""
    graph = function.graph.as_graph_def()
    return len(graph.node) + sum(len(f.node_def) for f in graph.library.function)


def counted(make, kind):
    """Nodes of the graph and Python calls of the trace."""
    trace, _ = make(kind)
    profile = cProfile.Profile()
    function = profile.runcall(trace)
    return {"nodes": nodes(function), "calls": pstats.Stats(profile).total_calls}


def timed(make, kind):
    """Seconds of the trace, the first run and later ones."""
    trace, run = make(kind)
    seconds = []
    for function in (trace, *[run] * (1 + LATER)):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return {"trace": seconds[0], "first": seconds[1], "later": statistics.median(seconds[2:])}


MAKERS = {"train_step": train_step, "generate": generate, "SavedModel": saved_model}


def measured(*row):
    """A row in processes of its own."""
    result = {}
    for way in ("counted", "timed"):
        command = [sys.executable, __file__, "--row", json.dumps([*row, way])]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        result |= json.loads(done.stdout.splitlines()[-1])
    return result


def main():
    arguments = parser().parse_args()
    if arguments.row:
        what, kind, way = json.loads(arguments.row)
        print(json.dumps({"counted": counted, "timed": timed}[way](MAKERS[what], kind)))
        return
    print(machine())
    print(f"{'':12}{'semantics':>10}{'nodes':>8}{'ratio':>7}{'calls':>12}{'ratio':>7}", end="")
    print(f"{'trace s':>9}{'first s':>9}{'both':>7}{'ratio':>7}{'later ms':>10}")
    for what in arguments.what:
        base = None
        for kind in KINDS:
            row = measured(what, kind)
            row["both"] = row["trace"] + row["first"]
            base = base or row
            ratio = {name: f"{row[name] / base[name]:6.2f}x" for name in ("nodes", "calls", "both")}
            print(f"{what:12}{kind:>10}{row['nodes']:8}{ratio['nodes']}{row['calls']:12}{ratio['calls']}", end="")
            print(f"{row['trace']:9.1f}{row['first']:9.1f}{row['both']:7.1f}{ratio['both']}{1000 * row['later']:10.0f}")


if __name__ == "__main__":
    main()
