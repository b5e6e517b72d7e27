"""Peak memory of a training step: what fits.

    python benchmarks/memory.py
    python benchmarks/memory.py --presets facades ade20k --batches 1 4 --kinds dense patch_table --image-size 256

A row is a process of its own that makes the preset's networks at full width (or --base-filters), both optimizers' slots
and one step, on facades drawn by code with the preset's classes and photographs of noise; the peak is that process's
(for a GPU, TensorFlow's own count). "model" is what weights and slots take before the step; the ratio is against the
first kind. Kinds: dense and patch_table (how SPADE reads the label map), the same with _bfloat16 (mixed_bfloat16) and
with _accumulateN (gradients accumulated over N micro-batches, where N divides the batch).
"""

import argparse
import json
import re
import resource
import subprocess
import sys
import time

from machine import machine

PRESETS = ("facades", "cityscapes", "ade20k", "celebamask_hq", "coco_stuff")


def parser():
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--presets", nargs="+", default=PRESETS, choices=PRESETS, help="(default: all)")
    result.add_argument("--batches", type=int, nargs="+", default=[1, 2], help="(default: 1 2)")
    result.add_argument(
        "--kinds",
        nargs="+",
        default=["dense", "patch_table", "patch_table_bfloat16", "patch_table_accumulate2"],
        help="(default: %(default)s)",
    )
    result.add_argument("--image-size", type=int, nargs="+", help="height and width, or one (default: the preset's)")
    result.add_argument("--base-filters", type=int, help="(default: the preset's, 64)")
    result.add_argument("--row", help=argparse.SUPPRESS)
    return result


def settings(kind):
    """(semantics, precision, micro-batches) of a kind's name."""
    match = re.fullmatch(r"(dense|patch_table)(_bfloat16)?(?:_accumulate(\d+))?", kind)
    if not match:
        sys.exit(
            "Expected a kind such as patch_table_bfloat16_accumulate2: dense or patch_table, then _bfloat16, then "
            f"_accumulateN. Received: {kind}."
        )
    return match[1], "mixed_bfloat16" if match[2] else "float32", int(match[3] or 1)


def peak_mib():
    """Peak memory of this process, or of its GPU where it has one."""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def example_batch(config, count):
    import numpy as np
    import tensorflow as tf

    from dagan_tf.data import ProceduralFacades

    source = ProceduralFacades(count, config.image_size)
    label = np.stack([source[i]["label"] for i in range(count)]).astype("int32")
    batch = {"label": label % config.num_classes, "image": np.random.default_rng(0).uniform(-1, 1, (*label.shape, 3))}
    if config.use_instance_edges:
        batch["instance"] = label
    return {k: tf.constant(v, "float32" if k == "image" else "int32") for k, v in batch.items()}


def measure(preset, kind, batch_size, image_size, base_filters):
    """One row: MiB of the model, MiB at the peak, seconds of the step without tracing."""
    import tensorflow as tf

    from dagan_tf.presets import get_preset
    from dagan_tf.training.dagan import DAGAN

    semantics, precision, micro_batches = settings(kind)
    changes = {"image_size": (image_size[0], image_size[-1])} if image_size else {}
    changes |= {"base_filters": base_filters} if base_filters else {}
    config = get_preset(preset).model.replace(**changes)
    model = DAGAN(config, semantics=semantics, dtype=precision)
    model.compile(accumulate=micro_batches)
    batch = example_batch(config, batch_size)
    step = tf.function(model.train_step).get_concrete_function(batch)
    before, start = peak_mib(), time.perf_counter()
    losses = {name: float(value) for name, value in step(batch).items()}
    assert all(value == value for value in losses.values()), losses
    return {"model": before, "peak": peak_mib(), "seconds": time.perf_counter() - start, "size": config.image_size}


def rows(arguments):
    for preset in arguments.presets:
        for batch in arguments.batches:
            for kind in arguments.kinds:
                if batch % settings(kind)[2] == 0:
                    yield preset, kind, batch, arguments.image_size, arguments.base_filters


def main():
    arguments = parser().parse_args()
    if arguments.row:
        print(json.dumps(measure(*json.loads(arguments.row))))
        return
    print(machine())
    print(
        f"{'preset':>14} {'size':>10} {'batch':>6} {'kind':>36} {'model MiB':>10} {'peak MiB':>9} {'ratio':>7} {'s':>7}"
    )
    base = None
    for row in rows(arguments):
        preset, kind, batch, *_ = row
        base = None if kind == arguments.kinds[0] else base
        command = [sys.executable, __file__, "--row", json.dumps(row)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        name = f"{preset:>14}"
        if done.returncode:
            why = "did not fit" if done.returncode in (-9, 137) else f"failed: {done.stderr.strip()[-300:]}"
            print(f"{name} {'':>10} {batch:>6} {kind:>36} {why}", flush=True)
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        base = found["peak"] if kind == arguments.kinds[0] else base
        size = "x".join(map(str, found["size"]))
        ratio = f"{found['peak'] / base:.2f}x" if base else ""
        print(
            f"{name} {size:>10} {batch:>6} {kind:>36} {found['model']:>10.0f} {found['peak']:>9.0f} {ratio:>7} "
            f"{found['seconds']:>7.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
