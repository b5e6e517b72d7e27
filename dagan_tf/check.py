"""Look a data set over before training: `python -m dagan_tf.check FOLDER_OR_NAME`.

Reads everything once and says what is wrong (files without a partner, unreadable or of a lossy format, sizes, ids of no
class, classes that no pixel has, photos in training and test, ...) and what there is: classes, sizes, speed. The exit
status is 0 where all is good, 1 for warnings, 2 for errors.
"""

import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

from dagan_tf import cli
from dagan_tf.config import DataConfig, LabelSpec, ModelConfig, RunOptions, TrainConfig
from dagan_tf.data_config import DATASETS
from dagan_tf.errors import UserError
from dagan_tf.files import check_writable, replaced
from dagan_tf.presets import PRESETS
from dagan_tf.runs import opening

DEFAULT_SIZE = (256, 256)  # of one's own pairs, as in training


def parser():
    """The command's argument parser."""
    result = cli.Parser(prog="python -m dagan_tf.check", description=__doc__)
    result.add_argument(
        "target",
        nargs="?",
        metavar="FOLDER_OR_NAME",
        help=f"a data set ({', '.join(DATASETS)}), or a folder of your own pairs: with labels/ and images/ in it, or "
        "with label maps and photos in one",
    )
    result.add_argument("--quick", action="store_true", help="headers of all files and pixels of a few alone")
    result.add_argument("--output", metavar="FOLDER", help="write report.json and report.html there")
    result.add_argument("--preset", choices=PRESETS, help="whose classes and sizes hold (default: the data set's own)")
    cli.add_classes_flag(result)
    result.add_fields("data", DataConfig)
    result.add_fields("label files", LabelSpec, ["first_id", "unknown_id"])
    result.add_fields("training", ModelConfig, ["num_classes", "image_size"])
    result.add_fields("expected speed", TrainConfig, ["batch_size"])
    result.add_fields("how files are read", RunOptions, ["max_pixels"])
    return result


class Plan(NamedTuple):
    """What is checked, and for which training; `labels` is `None` where nobody said what the classes are."""

    data: DataConfig
    labels: LabelSpec | None
    model: ModelConfig
    batch_size: int

    @property
    def image_size(self):
        """(height, width) of training."""
        return self.model.image_size


def resolve(arguments):
    """The `Plan` that the arguments describe; raises `UserError`."""
    changes = {part: cli.given(arguments, config_class) for part, config_class in opening.PARTS.items()}
    if not (arguments.target or changes["data"] or arguments.preset):
        raise UserError(f"Expected a folder, or the name of a data set ({', '.join(DATASETS)}). Received: neither.")
    if arguments.target:
        if "dataset" in changes["data"]:
            raise UserError(f"{arguments.target} says which data set it is: leave out `dataset`.")
        changes["data"] |= _data_of(arguments.target)
    preset, data = arguments.preset, opening.configure_data(arguments.preset, changes)
    told = preset or "num_classes" in changes["model"] or opening.described_classes(data, arguments.classes)
    if data.dataset != "folder" or told:
        config = opening.configure(preset, changes, arguments.classes)
        return Plan(data, config.labels, config.model, config.train.batch_size)
    if changes["labels"]:
        raise UserError(
            "`first_id` and `unknown_id` belong to `num_classes`. Received: no `num_classes`. Give it, too."
        )
    model = ModelConfig(num_classes=1, image_size=changes["model"].get("image_size", DEFAULT_SIZE))
    batch_size = changes["train"].get("batch_size", TrainConfig.batch_size)
    return Plan(data, None, model, batch_size)


def _data_of(target):
    """The fields of `DataConfig` for the name of a data set, or for a folder of one's own pairs."""
    from dagan_tf.data.datasets.folder import located

    if target in DATASETS:
        return {"dataset": target}
    target = os.path.expanduser(target)
    if not Path(target).is_dir():
        raise UserError(
            f"Expected the name of a data set ({', '.join(DATASETS)}) or a folder. Received neither: {target}."
        )
    try:
        located(DataConfig(dataset="folder", data_dir=target))
    except UserError:
        if not any(path.is_file() for path in Path(target).iterdir()):
            raise
        return {"dataset": "folder", "label_dir": target, "image_dir": target}
    return {"dataset": "folder", "data_dir": target}


def main(argv=None):
    """The command; returns its exit status."""
    arguments = parser().parse_args(argv)
    cli.set_pixel_limit(cli.given(arguments, RunOptions))
    if arguments.output:
        arguments.output = os.path.expanduser(arguments.output)
        check_writable(arguments.output)
    with cli.stoppable() as check_stopped:
        return check(arguments, check_stopped)


def check(arguments, check_stopped):
    """Looks a data set over, prints and writes what was found; returns the exit status."""
    from dagan_tf.data.inspection import checking, text

    plan = resolve(arguments)
    run = checking.quick_report if arguments.quick else checking.full_report
    report, pictures = run(*plan, progress=cli.Progress)
    check_stopped()
    flags = parser().flags()
    for finding in report["findings"]:
        finding["message"] = cli.with_flags(finding["message"], flags)
    print(text.text_of(report))
    if arguments.output:
        write(arguments.output, report, pictures, arguments.target or plan.data.dataset)
    return report["status"]


def write(folder, report, pictures, title):
    """Writes report.json and report.html to a folder, each whole or not at all."""
    from dagan_tf.data.inspection.page import page_of

    texts = {"report.json": json.dumps(report, indent=2) + "\n", "report.html": page_of(report, pictures, title)}
    for name, content in texts.items():
        with replaced(Path(folder, name)) as unfinished:
            unfinished.write_text(content, encoding="utf-8")
        print(f"{name} is in {folder}", file=sys.stderr)


if __name__ == "__main__":
    cli.run(main, parser)
