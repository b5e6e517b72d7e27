"""Picture files made here, whose pixels are known."""

import struct
import zlib

import numpy as np
from PIL import Image

IDS = np.arange(12, dtype=np.uint8).reshape(3, 4)


def save(path, array, colours=None, **options):
    """Writes an array as a grey, colour or (with colours) palette file; NPY by the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
        return path
    picture = Image.fromarray(array)
    if colours:
        picture.putpalette(colours)
        assert picture.mode == "P"
    picture.save(path, **options)
    return path


def photo(height=3, width=4, value=90):
    """A photo of one grey."""
    return np.full((height, width, 3), value, np.uint8)


def png(path, width, height, bits, colour_type, rows, *extra):
    """Writes a PNG file by hand, of forms that PIL reads but does not write.

    Args:
        path: of the file.
        width, height, bits, colour_type: of the header.
        rows: the bytes of each row, unfiltered.
        extra: further chunks, (name, bytes), before the pixels.
    """

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [chunk(b"IHDR", header), *(chunk(*c) for c in extra), chunk(b"IDAT", data), chunk(b"IEND", b"")]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def packed_png(path, rows, bits):
    """A grey PNG of 2 or 4 bits a pixel."""
    per_byte = 8 // bits
    packed = [
        bytes(
            sum(v << (8 - bits * (i + 1)) for i, v in enumerate(row[start : start + per_byte]))
            for start in range(0, len(row), per_byte)
        )
        for row in rows
    ]
    return png(path, len(rows[0]), len(rows), bits, 0, packed)
