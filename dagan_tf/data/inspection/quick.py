"""The quick part of a check, for the beginning of a run: headers and ends of all files, the pixels of a few."""

import os
from pathlib import Path

from dagan_tf.data.decoding import read_size
from dagan_tf.data.inspection.aspect import check_aspect
from dagan_tf.data.inspection.diagnosis import decoded, faults, kind_of, size_faults
from dagan_tf.data.inspection.findings import Report
from dagan_tf.data.inspection.parallel import evenly, in_parallel
from dagan_tf.data.listing import LABEL
from dagan_tf.errors import UserError

SAMPLE = 32
ENDS = {b"\x89PNG": b"IEND", b"\xff\xd8\xff": b"\xff\xd9"}
"""What stands near the end of a whole file, by what it begins with."""
NEAR = 64  # bytes
THREADS = 4 * (os.cpu_count() or 1)  # more than cores: they wait for the disk


def quick_check(source, image_size=None, sample=SAMPLE, progress=None):
    """Finds broken files before the first step: of a large data set in seconds.

    Of examples in files every header is read, and the sizes of an example are compared. A file whose end is not that
    of a whole PNG or JPEG is decoded. At last a sample of the examples is read as training reads them.

    Args:
        source: examples, such as a `FileSource`; of one without `files` the sample is read alone.
        image_size: (height, width) of training, to compare the aspect of the files with it; `None`: it is not.
        sample: how many examples are read completely, spread evenly.
        progress: called with (examples looked at, examples in all), or `None`.

    Returns:
        A `Report`; what is wrong is in it, and not raised.
    """
    report, failed, sizes = Report(), set(), []
    if hasattr(source, "files"):
        headers = in_parallel(lambda index: _header(source, index), range(len(source)), THREADS)
        for index, (size, found) in enumerate(headers):
            sizes += [size] if size else []
            failed |= {index} if found else set()
            add_faults(report, found)
            if progress:
                progress(index + 1, len(source))
    indices = [index for index in evenly(len(source), sample) if index not in failed]
    for size, found in in_parallel(lambda index: _whole(source, index), indices):
        sizes += [] if hasattr(source, "files") or size is None else [size]
        add_faults(report, found)
    check_aspect(report, sizes, image_size)
    return report


def add_faults(report, found):
    """Adds faults, as `diagnosis.faults` gives them, to a `Report`."""
    for kind, message, path in found:
        report.add(kind, message, path)


def _header(source, index):
    """The (height, width) of an example, or `None`, and its faults, by the headers and the ends of its files."""
    sizes, found = {}, []
    for role, path in source.all_files(index):
        try:
            sizes[role] = read_size(path, role)
            if not ends_well(path):
                decoded(path, role)
        except UserError as error:
            found.append((kind_of(path, role), str(error), path))
    if not found and size_faults(source, index, sizes):
        # What a PNG says of its orientation may stand behind its pixels: only these decide.
        return _whole(source, index)
    return sizes.get(LABEL), found


def _whole(source, index):
    """The same by reading all of an example."""
    try:
        return source[index]["label"].shape, []
    except UserError as error:
        return None, faults(source, index, error)


def ends_well(path):
    """Whether a PNG or JPEG ends as a whole one does; other files pass. One that does not may still be whole."""
    with Path(path).open("rb") as file:
        start = file.read(4)
        end = next((end for mark, end in ENDS.items() if start.startswith(mark)), None)
        if end is None:
            return True
        file.seek(max(0, file.seek(0, os.SEEK_END) - NEAR))
        return end in file.read()
