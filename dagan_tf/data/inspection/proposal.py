"""Which classes the ids in label files suggest, where nobody said."""

import dataclasses
import shlex

from dagan_tf.data.inspection.findings import printable

UNKNOWN_IDS = (255, 65535, -1)
"""Ids by which data sets say "unlabelled"."""


def propose(ids):
    """What to give as classes for label files in which certain ids occur.

    Args:
        ids: those that occur, sorted, at least one.

    Returns:
        A dictionary of `LabelSpec`'s fields `num_classes`, `first_id` and `unknown_id`, and of `ids`, the ids as a
        text. Ids that do not occur between others count as classes.
    """
    ids = list(ids)
    unknown = next((value for value in UNKNOWN_IDS if value in ids and _stands_alone(value, ids)), None)
    known = [value for value in ids if value != unknown]
    first = known[0] if known and (known[0] < 0 or known[0] == 1) else 0
    count = known[-1] - first + 1 if known else 0
    spec = {"num_classes": count + (unknown is not None), "first_id": first, "unknown_id": unknown}
    return {**spec, "ids": in_words(ids)}


def add_gaps(report, ids):
    """Adds a warning to a `Report` where sorted ids do not count up: each that is missing would be a class."""
    if not ids:
        return
    found = propose(ids)
    missing = found["num_classes"] - len(ids)
    if missing > 0:
        report.add(
            "gaps",
            f"The ids {found['ids']} have gaps: of {found['num_classes']} classes {missing} would have no pixel. If no "
            "other files have them, number the ids anew: `python -m dagan_tf.prepare` does that.",
            count=missing,
        )


def training_command(proposal, data, image_size=None):
    """The command that trains with the classes of a proposal, as text for a shell.

    Args:
        proposal: what `propose` gives.
        data: the `DataConfig`.
        image_size: (height, width), or `None`: the command's default.
    """
    fields = {field.name: getattr(data, field.name) for field in dataclasses.fields(data)}
    defaults = {field.name: field.default for field in dataclasses.fields(data)}
    fields = {name: value for name, value in fields.items() if value != defaults[name]}
    fields |= {name: proposal[name] for name in ("num_classes", "first_id", "unknown_id") if proposal[name]}
    words = ["python", "-m", "dagan_tf.train"]
    for name, value in fields.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return printable(shlex.join(words + (["--image-size", "x".join(map(str, image_size))] if image_size else [])))


def in_words(ids):
    """Sorted ids as a text, for example "0 to 4, 7 and 255"."""
    runs = []
    for value in ids:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    texts = [str(first) if first == last else f"{first} to {last}" for first, last in runs]
    return " and ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else texts[0]


def _stands_alone(value, ids):
    """Whether no id is next to one that may mean unlabelled."""
    return value + 1 not in ids and value - 1 not in ids if value > 0 else True
