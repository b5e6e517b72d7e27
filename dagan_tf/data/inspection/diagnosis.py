"""Of what kind the fault of an example is that could not be read, file by file."""

from pathlib import Path

from PIL import Image

from dagan_tf.data.decoding import LOSSY, LOSSY_IN_TIFF, NPY, read_map, read_photo
from dagan_tf.data.folder import different_sizes
from dagan_tf.data.listing import LABEL, PHOTO
from dagan_tf.data.reading import ForeignIdError, read_instance
from dagan_tf.errors import UserError


def faults(source, index, error):
    """What is wrong with an example whose reading raised an error: all of it, not the first thing alone.

    Args:
        source: the examples; one without `files` has one fault, the error itself.
        index: of the example.
        error: the `UserError`.

    Returns:
        A list of (kind, message, name of the file), never empty; kinds are keys of `findings.KINDS`.
    """
    if not hasattr(source, "files"):
        return [("unreadable", str(error), source.name(index))]
    found, shapes = [], {}
    for role, path in source.all_files(index):
        try:
            shapes[role] = decoded(path, role).shape
        except UserError as fault:
            found.append((kind_of(path, role), str(fault), path))
    found += size_faults(source, index, shapes)
    if isinstance(error, ForeignIdError):
        kind = "ids" if len(shapes[LABEL]) == 2 else "colours"
        found.append((kind, str(error), source.files(index)[LABEL]))
    return found or [("form", str(error), source.name(index))]


def decoded(path, role):
    """The pixels of one file as they are in it, label ids unchecked; raises `UserError`."""
    if role == PHOTO:
        return read_photo(path)
    return read_map(path, LABEL)[0] if role == LABEL else read_instance(path)


def size_faults(source, index, shapes):
    """The files of an example that have another size than its label map, as `faults` gives them."""
    if LABEL not in shapes or not source.same_sizes:
        return []
    files, label = source.files(index), shapes[LABEL]
    return [
        ("sizes", different_sizes(files[LABEL], label, role, files[role], shape), files[role])
        for role, shape in shapes.items()
        if tuple(shape[:2]) != tuple(label[:2])
    ]


def kind_of(path, role):
    """The kind of the fault of a file that `decoding` refuses: "lossy", "form" or "unreadable"."""
    if Path(path).suffix.lower() == NPY:
        return "form"
    try:
        with Image.open(path) as picture:
            compression = picture.info.get("compression") if picture.format == "TIFF" else None
            if role != PHOTO and (picture.format in LOSSY or compression in LOSSY_IN_TIFF):
                return "lossy"
            picture.load()
    except Image.DecompressionBombError:
        return "form"
    except Exception:  # PIL's readers raise errors of all kinds for damaged files
        return "unreadable"
    return "form"
