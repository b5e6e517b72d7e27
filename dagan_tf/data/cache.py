"""Examples decoded and resized once and kept in an ArrayRecord file, for devices that decoding would keep waiting.

What the system keeps of the file in memory is read from there; the rest comes from the disk, in any order.
"""

import concurrent.futures
import hashlib
import io
import os
import pathlib
import threading

import numpy as np

from dagan_tf.data.transform import transform
from dagan_tf.errors import StorageError, UserError
from dagan_tf.files import remove_unfinished, replaced

OPTIONS = "group_size:1,uncompressed"  # one example a read; a compressed one takes longer to unpack than to load
CHUNK = 64  # examples in memory while the file is written
LEFT_OVER = 3600.0  # seconds after which an unfinished file that has not grown is that of a killed process


class RecordSource:
    """The examples of an ArrayRecord file, with the interface of `FileSource`. Any number of threads may read it."""

    def __init__(self, path):
        self._path, self._local = str(path), threading.local()
        self._count = self._reader().num_records()

    def _reader(self):
        if not hasattr(self._local, "reader"):
            self._local.reader = _array_record().ArrayRecordReader(self._path)
        return self._local.reader

    def __len__(self):
        return self._count

    def name(self, index):
        """The file and the place in it, for messages."""
        return f"{self._path}, example {index}"

    def __getitem__(self, index):
        return _unpack(self._reader().read([int(index)])[0])


def _pack(example):
    buffer = io.BytesIO()
    np.save(buffer, np.array(list(example)))
    for value in example.values():
        np.save(buffer, value)
    return buffer.getvalue()


def _unpack(record):
    buffer = io.BytesIO(record)
    return {str(key): np.load(buffer) for key in np.load(buffer)}


def cached(source, size, folder, progress=lambda done, total: None):
    """The examples of a source at `size`, from a file in `folder`; it is written first where it is not there.

    The file's name tells its content: the source's `fingerprint` and the size. Another content is another file.

    Args:
        source: anything with `len`, `source[index]` and `fingerprint()`, see `FileSource`.
        size: (height, width) of the examples in the file.
        folder: where it is; made if missing.
        progress: called with (examples written, examples in all).

    Returns:
        A `RecordSource`.

    Raises:
        UserError: an example cannot be read, or the package array_record is missing.
        StorageError: the file could not be written; nothing of it is left.
    """
    _array_record()
    key = hashlib.sha256(
        f"{source.fingerprint()} {len(source)} {tuple(size)}".encode(errors="surrogateescape")
    ).hexdigest()[:16]
    path = pathlib.Path(folder) / f"examples-{size[0]}x{size[1]}-{key}.array_record"
    remove_unfinished(path.parent, "examples-*", older_than=LEFT_OVER)
    if not path.is_file():
        try:
            with replaced(path) as unfinished:
                _write(source, size, unfinished, progress)
        except UserError:
            raise
        except (OSError, RuntimeError) as error:  # the second is array_record's
            raise StorageError(
                f"{path} could not be written: {error}. Make room, give another folder as `cache`, or none."
            ) from error
    return _opened(path, len(source))


def _opened(path, count):
    try:
        records = RecordSource(path)
        found = f"{len(records)} examples"
    except (RuntimeError, ValueError) as error:  # array_record's
        records, found = (), error
    if len(records) != count:
        raise UserError(f"{path}: expected {count} examples. Received: {found}. Delete the file; it is written anew.")
    return records


def _write(source, size, path, progress):
    def record(index):
        return _pack(transform(source[index], size))

    writer, count = _array_record().ArrayRecordWriter(str(path), OPTIONS), len(source)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, count, CHUNK):
            for packed in pool.map(record, range(start, min(start + CHUNK, count))):
                writer.write(packed)
            progress(min(start + CHUNK, count), count)
    writer.close()


def _array_record():
    try:
        from array_record.python import array_record_module
    except ImportError as error:
        raise UserError(
            "`cache` needs the package array_record, which TensorFlow Datasets brings on Linux and macOS. Received: "
            f"{error}. Install it, or leave out `cache`."
        ) from error
    return array_record_module
