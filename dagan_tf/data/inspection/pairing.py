"""The splits of a data set as a check opens them: files without a partner are findings, the other pairs are read."""

from dagan_tf.data.datasets import open_source
from dagan_tf.data.datasets.folder import folders_of_split, located, names_of_split
from dagan_tf.data.folder import FileSource
from dagan_tf.data.listing import INSTANCE, LABEL, PHOTO, find_files, pair
from dagan_tf.data.reading import read_ids
from dagan_tf.errors import UserError

SPLIT_NAMES = ("train", "test")


class IdSource(FileSource):
    """Examples whose `"label"` has the ids as they are in the files, where the classes are not known yet."""

    def __init__(self, labels, images=None, instances=None):
        super().__init__(labels, images, instances, spec=None)

    def _label(self, index):
        return read_ids(self.files(index)[LABEL])


def open_splits(data, labels, size, report):
    """The sources of a data set by split.

    Args:
        data: a `DataConfig`.
        labels: the `LabelSpec`, or `None`: classes are not known, ids are read; for one's own pairs alone.
        size: (height, width) at which a data set that is drawn is drawn.
        report: the `Report` to which files without a partner and folders that cannot be listed are added.

    Returns:
        A dictionary of "train" and "test", each where there is such a split and it can be listed.
    """
    sources = {}
    for split in SPLIT_NAMES:
        try:
            if data.dataset == "folder":
                found = _own_pairs(located(data), labels, split, report)
            else:
                found = open_source(data, labels, split=split, size=size)
        except UserError as error:
            if str(error) not in {finding.message for finding in report.findings}:
                report.add("listing", str(error))
            continue
        if found is not None and len(found):
            sources[split] = found
    return sources


def _own_pairs(data, labels, split, report):
    """The pairs of one split of one's own folders, `None` where it has none."""
    folders = dict(zip((LABEL, PHOTO, INSTANCE), folders_of_split(data, split), strict=True))
    failures = {}
    files = {LABEL: find_files(folders.pop(LABEL), LABEL, failures=failures)}
    for role, folder in folders.items():
        if folder:
            files[role] = find_files(folder, role, ignore={*files[LABEL].values(), *failures}, failures=failures)
    if split == "train" or data.val_label_dir:
        for path, message in failures.items():
            report.add("listing", message, path)
    if split == "train" or data.val_label_dir:  # the same folders are not reported twice
        for role in list(files)[1:]:
            _report_unpaired(files[LABEL], files[role], role, report)
    whole = [name for name in files[LABEL] if all(name in found for found in files.values())]
    whole = names_of_split(whole, data, split)
    lists = [[files[role][name] for name in whole] if role in files else None for role in (LABEL, PHOTO, INSTANCE)]
    if not whole:
        return None
    return IdSource(*lists) if labels is None else FileSource(*lists, spec=labels)


def _report_unpaired(labels, others, role, report):
    try:
        pair(labels, others, role)
    except UserError as error:
        alone = [labels.get(name) or others[name] for name in sorted(labels.keys() ^ others.keys())]
        report.add("unpaired", str(error), *alone, count=len(alone))
