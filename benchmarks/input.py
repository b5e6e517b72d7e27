"""Whether the input pipeline keeps up with the devices: examples a second of both.

    python benchmarks/input.py
    python benchmarks/input.py --presets ade20k cityscapes --no-step

"files" decodes, resizes, crops and mirrors on all cores, as training does; "records" reads what --cache has written.
"ms" is processor time an example. A step of the preset at full width (batch 2, patch table or XLA, no perceptual loss)
is timed on the device that TensorFlow finds; "feeds" is how many such devices the pipeline alone would keep busy, from
files and from records. Files are those in --data, repeated; where a dataset is not there its row is left out.
"""

import argparse
import pathlib
import statistics
import tempfile
import time

from label_maps import FOLDERS
from machine import machine

PHOTOS = {
    "facades": "facades/base", "ade20k": "ade20k/images", "coco_stuff": "coco_stuff/train_img",
    "cityscapes": "cityscapes/leftImg8bit/train", "celebamask_hq": "celebamask_hq/images",
}  # fmt: skip
SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared/data"
STEP_BATCH = 2


def parser():
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--presets", nargs="+", default=list(PHOTOS), choices=list(PHOTOS), help="(default: all)")
    result.add_argument(
        "--data", type=pathlib.Path, default=SHARED, help="folder of datasets (default: ../shared/data)"
    )
    result.add_argument("--seconds", type=float, default=5, help="to time each pipeline for (default: 5)")
    result.add_argument("--no-step", action="store_true", help="do not time training steps")
    return result


class Repeated:
    """A source's examples again and again, at least 64 (or `least`), so that a few files fill batches."""

    def __init__(self, source, least=64):
        self.source, self.count = source, -(-least // len(source)) * len(source)

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return self.source[index % len(self.source)]

    def name(self, index):
        return self.source.name(index % len(self.source))

    def files(self, index):
        return self.source.files(index % len(self.source))

    def fingerprint(self):
        return f"{self.count} of {self.source.fingerprint()}"


def source(preset, name, data):
    from dagan_tf.data import FolderSource

    labels, instances = (folder and data / folder for folder in FOLDERS[name])
    return Repeated(FolderSource(labels, data / PHOTOS[name], instances, spec=preset.labels))


def rate(examples, preset, seconds):
    """(examples a second, processor ms an example) of a training pipeline alone."""
    from dagan_tf.data import Pipeline

    size, train = preset.model.image_size, preset.train
    options = {"load_scale": train.load_scale, "flip": train.flip}
    batches = iter(Pipeline(examples, size, STEP_BATCH, training=True, **options).stream())
    for _ in range(8):  # what was made ahead
        next(batches)
    start, busy, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - start < seconds:
        next(batches)
        count += STEP_BATCH
    return count / (time.perf_counter() - start), 1000 * (time.process_time() - busy) / count


def check_rate(examples, seconds, expected):
    """Examples a second that a check reads, from as many as should take it some seconds."""
    from dagan_tf.data.inspection.scan import scan

    return scan(Repeated(examples.source, round(seconds * expected))).rate


def demand(preset):
    """Examples a second that a device trains on."""
    import tensorflow as tf

    from dagan_tf.data import ProceduralFacades
    from dagan_tf.training.dagan import DAGAN

    config, gpu = preset.model, bool(tf.config.list_physical_devices("GPU"))
    model = DAGAN(config)
    model.compile(jit_compile=gpu)
    drawn = ProceduralFacades(STEP_BATCH, config.image_size)
    label = tf.stack([drawn[i]["label"] for i in range(STEP_BATCH)])
    batch = {"label": label, "image": tf.random.uniform((*label.shape, 3), -1, 1)}
    batch |= {"instance": tf.cast(label, "int32")} if config.use_instance_edges else {}
    step, times = tf.function(model.train_step, jit_compile=gpu), []
    for _ in range(4):
        start = time.perf_counter()
        float(step(batch)["d_fake"])
        times.append(time.perf_counter() - start)
    return STEP_BATCH / statistics.median(times[1:])


def main():
    arguments = parser().parse_args()
    from dagan_tf.data import cached
    from dagan_tf.data.transform import load_size
    from dagan_tf.presets import PRESETS

    print(machine())
    print(
        f"{'dataset':>14} {'size':>10} {'files /s':>9} {'ms':>6} {'records /s':>11} {'ms':>6} {'ratio':>7} "
        f"{'check /s':>9} {'ratio':>6} "
        f"{'step /s':>8} {'feeds':>7} {'and':>7}"
    )
    for name in arguments.presets:
        if not (arguments.data / FOLDERS[name][0]).is_dir():
            print(f"{name:>14} is not in {arguments.data}")
            continue
        preset = PRESETS[name]
        load = load_size(preset.model.image_size, preset.train.load_scale)
        examples = source(preset, name, arguments.data)
        files, files_ms = rate(examples, preset, arguments.seconds)
        with tempfile.TemporaryDirectory() as folder:
            records, records_ms = rate(cached(examples, load, folder), preset, arguments.seconds)
        row = f"{name:>14} {'x'.join(map(str, preset.model.image_size)):>10} {files:>9.1f} {files_ms:>6.1f} "
        row += f"{records:>11.1f} {records_ms:>6.1f} {records / files:>6.2f}x"
        checked = check_rate(examples, arguments.seconds, files)
        row += f" {checked:>9.1f} {checked / files:>5.2f}x"
        if not arguments.no_step:
            needed = demand(preset)
            row += f" {needed:>8.2f} {files / needed:>7.0f} {records / needed:>7.0f}"
        print(row, flush=True)


if __name__ == "__main__":
    main()
