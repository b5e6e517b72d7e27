"""Label maps in PNG files, decoded inside a TensorFlow graph: the ids themselves, of grey and of palette files.

`tf.io.decode_png` replaces the ids of a palette file by its colours, scales grey of 1, 2 and 4 bits to 8, and allocates
whatever size a file claims. So the header is read first, and a palette file is relabelled as grey.
"""

import zlib

import numpy as np
import tensorflow as tf

# Source: PNG specification (ISO/IEC 15948), 5.2 signature, 5.3 chunk layout, 11.2.2 IHDR.
HEADER_BYTES = 33
START = np.frombuffer(b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR", np.uint8)
COLOUR_TYPE, CRC = 25, 29
GREY, PALETTE = 0, 3
CHUNK_FRAME = 12  # length, type and CRC around a chunk's data
BYTES = [bytes([i]) for i in range(256)]


def _crc_change():
    """What the header's CRC is XORed with when colour type 3 becomes 0: CRC-32 is affine, so it is a constant."""
    chunk = bytearray(HEADER_BYTES - 8 - 8)  # without signature, length and CRC
    before = zlib.crc32(chunk)
    chunk[COLOUR_TYPE - 12] ^= PALETTE ^ GREY
    return np.frombuffer((before ^ zlib.crc32(chunk)).to_bytes(4, "big"), np.uint8)


CRC_CHANGE = _crc_change()


def _number(header, position):
    """A big-endian 32-bit number of the header, as int64."""
    return tf.reduce_sum(tf.cast(header[position : position + 4], tf.int64) * [1 << 24, 1 << 16, 1 << 8, 1])


def _header(png, name):
    """The first 33 bytes of a file as int32, after checking that it begins as every PNG does."""
    header = tf.io.decode_raw(tf.strings.substr(png, 0, HEADER_BYTES), tf.uint8)
    header = tf.pad(header, [[0, HEADER_BYTES - tf.size(header)]])
    is_png = tf.reduce_all(header[: len(START)] == START)
    check = tf.debugging.Assert(
        is_png,
        [
            f"{name} must be a PNG file. Received bytes that do not begin as one; their number is",
            tf.strings.length(png),
        ],
    )
    with tf.control_dependencies([check]):
        return tf.ensure_shape(tf.cast(header, tf.int32), [HEADER_BYTES])


def _without_palette(png):
    """What follows the header, without a palette that comes first: the decoder would log that grey needs none."""
    rest = tf.strings.substr(png, HEADER_BYTES, tf.strings.length(png) - HEADER_BYTES)
    begin = tf.io.decode_raw(tf.strings.substr(rest, 0, 8), tf.uint8)
    begin = tf.pad(begin, [[0, 8 - tf.size(begin)]])
    length, is_palette = _number(begin, 0), tf.reduce_all(begin[4:] == list(b"PLTE"))
    available = tf.strings.length(rest)
    skipped = tf.minimum(tf.where(is_palette, tf.cast(length, tf.int32) + CHUNK_FRAME, 0), available)
    return tf.strings.substr(rest, skipped, available - skipped)


def _as_grey(png, header):
    """The file with its samples declared grey, which for a palette file are the indices."""
    change = tf.where(header[COLOUR_TYPE] == PALETTE, CRC_CHANGE.astype(np.int32), 0)
    crc = tf.strings.reduce_join(tf.gather(BYTES, tf.bitwise.bitwise_xor(header[CRC : CRC + 4], change)))
    begin, methods = tf.strings.substr(png, 0, COLOUR_TYPE), tf.strings.substr(png, COLOUR_TYPE + 1, 3)
    return tf.strings.join([begin, BYTES[GREY], methods, crc, _without_palette(png)])


def decode_ids(png, size, name):
    """The ids of one file.

    Args:
        png: scalar string, a whole PNG file: grey or palette, 1 to 16 bits.
        size: (height, width) that it must have; nothing larger is decoded.
        name: of the input, for messages.

    Returns:
        int32 (height, width): the samples as they are stored, which for palette files are the indices.

    Raises (when the graph runs):
        InvalidArgumentError: no PNG, a broken one, another size, or colours in place of ids.
    """
    header = _header(png, name)
    width, height, bits = _number(header, 16), _number(header, 20), header[24]
    colour_type = header[COLOUR_TYPE]
    checks = [
        tf.debugging.Assert(
            (height == size[0]) & (width == size[1]),
            [f"{name} must be {size[0]}x{size[1]} (height x width), the model's size. Received", height, "x", width],
        ),
        tf.debugging.Assert(
            (colour_type == GREY) | (colour_type == PALETTE),
            [f"{name} must be a grey or palette PNG (colour type 0 or 3) of ids. Received colour type", colour_type],
        ),
    ]
    with tf.control_dependencies(checks):
        samples = tf.io.decode_png(_as_grey(png, header), channels=1, dtype=tf.uint16)
    # The decoder scales every depth to 16 bits: by 1, 257, 4369, 21845 and 65535.
    scale = 65535 // tf.maximum(tf.bitwise.left_shift(1, bits) - 1, 1)
    return tf.ensure_shape(tf.cast(samples[..., 0], tf.int32) // scale, size)
