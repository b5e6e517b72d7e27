"""Your own pictures and annotations to a folder to train on: `python -m dagan_tf.prepare SOURCE --output ROOT`.

    python -m dagan_tf.prepare --labelme FOLDER --output ROOT
    python -m dagan_tf.prepare --coco instances.json --image-dir PHOTOS --output ROOT
    python -m dagan_tf.prepare --label-dir LABELS --image-dir PHOTOS --classes classes.csv --output ROOT

ROOT is new or empty and gets labels/, images/, instances/ (where there are any) and dataset.json, all or nothing.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path

from dagan_tf import cli
from dagan_tf.config import RunOptions
from dagan_tf.errors import UserError


def parser():
    """The command's argument parser."""
    result = cli.Parser(prog="python -m dagan_tf.prepare", description=__doc__)
    source = result.add_argument_group("what there is")
    source.add_argument("--labelme", metavar="FOLDER", help="LabelMe's files, with photographs in or beside them")
    source.add_argument("--coco", metavar="FILE", help="COCO's annotations of objects, with --image-dir")
    source.add_argument("--label-dir", metavar="FOLDER", help="label maps: ids in PNG, TIFF, BMP or NPY, or colours")
    source.add_argument("--image-dir", metavar="FOLDER", help="photographs with the same names")
    source.add_argument(
        "--instance-dir", metavar="FOLDER", help="with --label-dir: instance maps; or --coco makes them"
    )
    source.add_argument(
        "--classes",
        metavar="FILE",
        help="classes as dataset.json, or a table in CSV: id,name,r,g,b (default: a dataset.json in or beside "
        "--label-dir, else what occurs)",
    )
    source.add_argument("--unknown-id", type=int, metavar="N", help="the id that means unlabelled")
    result.add_argument("--output", metavar="ROOT", required=True, help="folder to make")
    result.add_argument(
        "--val-share", type=_share, default=0.0, metavar="X", help="share of pictures to validate with (default: 0)"
    )
    result.add_argument(
        "--skip-bad", action="store_true", help="leave out what cannot be used, and exit with status 1 then"
    )
    result.add_fields("how files are read", RunOptions, ["max_pixels"])
    return result


def _share(text):
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 0 and below 1, received {text}")
    return value


def open_source(labelme, coco, label_dir, image_dir, instance_dir, classes, unknown_id):
    """The source of annotations that flags of these names describe; raises `UserError`."""
    if sum(map(bool, (labelme, coco and not label_dir, label_dir))) != 1:
        raise UserError("Expected one of `labelme`, `coco` and `label_dir`. Received: none, or several. Give one.")
    if bool(image_dir) == bool(labelme):
        raise UserError("`image_dir` belongs to `coco` and `label_dir`, whose photographs it has. Give both.")
    if instance_dir and (coco or not label_dir):
        raise UserError("`instance_dir` belongs to `label_dir` without `coco`. Leave it out.")
    from dagan_tf.data.annotations.coco import CocoFile
    from dagan_tf.data.annotations.labelme import LabelMeFolder
    from dagan_tf.data.description import GUESS, find_classes, read_rows
    from dagan_tf.data.label_folder import LabelFolder

    if label_dir and not classes:
        classes = find_classes(label_dir, Path(label_dir).parent)
    rows, declared = read_rows(classes) if classes else (None, GUESS)
    unknown_id = declared if unknown_id is None else unknown_id
    if label_dir:
        objects = CocoFile(coco, image_dir) if coco else None
        return LabelFolder(label_dir, image_dir, instance_dir, coco=objects, rows=rows), unknown_id
    named = None if unknown_id == GUESS else unknown_id
    if named is not None and named not in [row.id for row in rows or ()]:
        raise UserError(
            "`unknown_id` must be a class of `classes`, or an id in label maps. Correct it, or leave it out."
        )
    if labelme:
        return LabelMeFolder(labelme, rows, named), unknown_id
    return CocoFile(coco, image_dir, rows, named), unknown_id


def report(done, root):
    """What was prepared and what comes next, a text of several lines."""
    counts = {"train": " to train on", "val": " to validate with"}
    counts = ", ".join(f"{done.counts[split]}{text}" for split, text in counts.items() if split in done.counts)
    pictures = f"{sum(done.counts.values())} pictures{counts and f' ({counts})'}"
    what = "label maps, photographs and instance maps" if done.has_instances else "label maps and photographs"
    lines = [f"{root} has {what} of {pictures}. The classes, as dataset.json has them:"]
    before = {new: f" (was {old})" for old, new in done.renumbered.items() if old != new}
    for index, (value, share) in enumerate(zip(done.spec.ids, done.shares, strict=True)):
        unknown = ", means unlabelled" if value == done.spec.unknown_id else ""
        name = done.spec.name_of(index) or ""
        lines.append(f"{value:6d} {share:8.3%}  {name}{before.get(value, '')}{unknown}".rstrip())
    place = shlex.quote(str(root))
    lines += [
        "Look at it, then train:",
        f"  python -m dagan_tf.check {place}",
        f"  python -m dagan_tf.train --dataset folder --data-dir {place}",
    ]
    return "\n".join(lines)


def main(argv=None):
    """The command; returns its exit status: 1 where pictures were left out."""
    parsed = parser().parse_args(argv)
    from dagan_tf.data.preparation import check_place, prepare

    cli.set_pixel_limit(cli.given(parsed, RunOptions))
    arguments = {name: value for name, value in vars(parsed).items() if "." not in name}
    root = os.path.expanduser(arguments.pop("output"))
    check_place(root)
    options = {name: arguments.pop(name) for name in ("val_share", "skip_bad")}
    with cli.stoppable() as check_stopped:
        source, unknown_id = open_source(**arguments)

        def progress(words):
            tell = cli.Progress(words)
            return lambda done, total: (check_stopped(), tell(done, total))

        done = prepare(source, root, unknown_id=unknown_id, progress=progress, **options)
    for name, reason in done.bad.items():
        print(f"left out {name}: {reason}", file=sys.stderr)
    print(report(done, root))
    return 1 if done.bad else 0


if __name__ == "__main__":
    cli.run(main, parser)
