"""The scans of a data set's splits as one report of plain values, which goes to JSON as it is."""

import os

import numpy as np

from dagan_tf.data.inspection.arithmetic import levels, work_left
from dagan_tf.data.inspection.aspect import check_aspect, median_size, own_choice
from dagan_tf.data.inspection.proposal import propose
from dagan_tf.data.listing import some
from dagan_tf.palettes import distinct_colours
from dagan_tf.presets import PRESETS

VERSION = 1
"""Of the form of the report; a later one keeps the names that there are."""
GOOD, WARNINGS, ERRORS = 0, 1, 2
"""What is wrong, as a command's exit status."""


def summarise(scans, report, labels, model, batch_size, dataset="folder"):
    """The report of a check; findings about all examples together are added to `report` first.

    Args:
        scans: `Scan`s by split.
        report: the `Report` with what was found before the scans.
        labels: the `LabelSpec`, or `None` where the classes are not known.
        model: the `ModelConfig` that would be trained.
        batch_size: of that training.
        dataset: its name. Those of the paper have classes that no pixel has, and are squeezed, by their own recipe.

    Returns:
        A dictionary of JSON values: `version`, `status` (0 good, 1 warnings, 2 errors), `image_size`, `findings`,
        `splits`, `classes`, `proposal`, `patches` and `speed`. Sizes are dictionaries of `height` and `width`.
    """
    pixels = _pixels(scans)
    _add_findings(scans, report, labels, own_choice(dataset, model.image_size))
    if labels is not None and dataset not in PRESETS:
        _add_unused(scans, report, labels)
    return {
        "version": VERSION,
        "status": status_of(report),
        "image_size": _size(model.image_size),
        "findings": findings_of(report),
        "splits": {split: _split(found) for split, found in scans.items()},
        "classes": _classes(scans, labels, pixels),
        "proposal": propose(pixels) if labels is None and pixels else None,
        "patches": _patches(scans, model),
        "speed": _speed(scans, batch_size),
    }


def status_of(report):
    """The exit status that a `Report` stands for."""
    return ERRORS if report.errors else WARNINGS if report.warnings else GOOD


def findings_of(report):
    """The findings of a `Report` as JSON values."""
    return [
        {
            "level": finding.level, "kind": finding.kind, "title": finding.title, "message": finding.message,
            "files": list(finding.files), "count": finding.count,
        }
        for finding in report.findings
    ]  # fmt: skip


def _add_findings(scans, report, labels, image_size):
    for found in scans.values():
        report.update(found.report)
    check_aspect(report, [size for found in scans.values() for size in found.sizes], image_size)
    if {"train", "test"} <= set(scans):
        for key in [key for key in scans["train"].photos if key in scans["test"].photos]:
            one, other = (scans[split].source.name(scans[split].photos[key]) for split in ("train", "test"))
            message = f"{one} of the training examples and {other} of the test examples have the same photo: measures "
            message += "would be too good. Keep it in one of them."
            report.add("duplicates", message, one)


def _add_unused(scans, report, labels):
    trained = scans["train"].pixels if "train" in scans else {}
    unused = [_title(labels, index) for index in range(labels.num_classes) if index not in trained]
    if unused and trained:
        report.add(
            "unused",
            f"No pixel of the training examples has {'these classes' if len(unused) > 1 else 'the class'} "
            f"{some(unused)}, which a network cannot learn then. Is the number of classes right, or `first_id`?",
            count=len(unused),
        )


def _title(labels, index):
    name = labels.name_of(index)
    return f"{index} ({name})" if name else str(index)


def _pixels(scans):
    """Pixels by class, or id, of all splits."""
    total = {}
    for found in scans.values():
        for key, count in found.pixels.items():
            total[key] = total.get(key, 0) + count
    return dict(sorted(total.items()))


def _size(size):
    return {"height": int(size[0]), "width": int(size[1])}


def _split(found):
    sizes = sorted(found.sizes, key=lambda size: size[0] * size[1])
    result = {"examples": len(found.source), "read": len(sizes), "sizes": None}
    if sizes:
        extremes = {"smallest": _size(sizes[0]), "median": _size(median_size(sizes)), "largest": _size(sizes[-1])}
        result["sizes"] = {**extremes, "different": len(set(sizes))}
    return result


def _classes(scans, labels, pixels):
    """A row for each class, also for one without pixels; where classes are not known, for each id."""
    keys = list(pixels) if labels is None or not scans else range(labels.num_classes)
    colours = colours_of(labels, len(keys))
    total = sum(pixels.values()) or 1
    return [
        {
            "class": None if labels is None else key,
            "id": key if labels is None else labels.id_of(key),
            "name": labels and labels.name_of(key),
            "colour": [int(level) for level in colours[place]],
            "pixels": pixels.get(key, 0),
            "share": pixels.get(key, 0) / total,
            "maps": sum(found.maps.get(key, 0) for found in scans.values()),
        }
        for place, key in enumerate(keys)
    ]


def colours_of(labels, count):
    """The colours of `count` classes: the data set's own, or distinct ones."""
    return labels.palette if labels and labels.palette else distinct_colours(count) if count else []


def _patches(scans, model):
    """Medians of the shares of distinct patches by level, and what they leave of SPADE's convolutions."""
    shares = [shares for found in scans.values() for shares in found.shares]
    if not shares:
        return None
    medians, costs = np.median(shares, axis=0), levels(model)
    total = sum(level.multiplications for level in costs)
    rows = [
        {
            "factor": level.factor,
            "size": _size([side // level.factor for side in model.image_size]),
            "distinct_3x3": float(share[0]),
            "distinct_5x5": float(share[1]),
            "cost_share": level.multiplications / total,
            "left": work_left(share),
        }
        for level, share in zip(costs, medians, strict=True)
    ]
    left = sum(row["cost_share"] * row["left"] for row in rows)
    return {"maps": len(shares), "levels": rows, "multiplications": total, "left": left}


def _speed(scans, batch_size):
    """What this machine reads, and would read and resize for training: examples a second."""
    count = sum(len(found.sizes) for found in scans.values())
    seconds = sum(found.seconds for found in scans.values())
    resizing = [seconds for found in scans.values() for seconds in found.resizing]
    if not count or not resizing:
        return None
    cores = os.cpu_count() or 1
    prepared = 1 / (seconds / count + float(np.mean(resizing)) / cores)
    return {
        "cores": cores, "read_per_second": count / seconds, "prepared_per_second": prepared, "batch_size": batch_size,
        "steps_per_second": prepared / batch_size,
    }  # fmt: skip
