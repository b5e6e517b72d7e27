"""The check of a whole data set, its splits one after the other."""

from dagan_tf.data.inspection.arithmetic import levels
from dagan_tf.data.inspection.aspect import own_choice
from dagan_tf.data.inspection.findings import Report
from dagan_tf.data.inspection.pairing import open_splits
from dagan_tf.data.inspection.proposal import add_gaps, propose, training_command
from dagan_tf.data.inspection.quick import SAMPLE, quick_check
from dagan_tf.data.inspection.scan import scan
from dagan_tf.data.inspection.summary import summarise


def full_report(data, labels, model, batch_size, progress):
    """Reads every example once.

    Args:
        data: a `DataConfig`.
        labels: the `LabelSpec`, or `None` where the classes are not known.
        model: the `ModelConfig` that would be trained; without `labels` its number of classes does not count.
        batch_size: of that training.
        progress: a function of words to a function that is called with (examples done, examples in all).

    Returns:
        The dictionary of `summarise` with `data`, and the examples of the page as `scan` keeps them.
    """
    report, scans = Report(), {}
    factors = [level.factor for level in levels(model)]
    for split, source in open_splits(data, labels, model.image_size, report).items():
        told = progress(f"reading {split}")
        scans[split] = scan(source, factors, model.image_size, model.use_instance_edges, told)
    if labels is None:
        model = model.replace(num_classes=_proposed(scans))
        add_gaps(report, sorted({value for found in scans.values() for value in found.pixels}))
    result = {"data": data.to_dict(), **summarise(scans, report, labels, model, batch_size, data.dataset)}
    if result["proposal"]:
        result["proposal"]["command"] = training_command(result["proposal"], data, model.image_size)
    return result, [picture for found in scans.values() for picture in found.pictures]


def quick_report(data, labels, model, batch_size, progress):
    """As `full_report`, by the headers of all files and the pixels of a sample: findings, counts, and no examples."""
    report, splits = Report(), {}
    size = own_choice(data.dataset, model.image_size)
    for split, source in open_splits(data, labels, model.image_size, report).items():
        splits[split] = {"examples": len(source), "read": min(SAMPLE, len(source)), "sizes": None}
        report.update(quick_check(source, size, progress=progress(f"looking at {split}")))
    found = summarise({}, report, labels, model, batch_size, data.dataset)
    return {"data": data.to_dict(), **found, "splits": splits, "quick": True}, []


def _proposed(scans):
    """The number of classes that the ids in all splits suggest, at least 1."""
    ids = sorted({value for found in scans.values() for value in found.pixels})
    return propose(ids)["num_classes"] if ids else 1
