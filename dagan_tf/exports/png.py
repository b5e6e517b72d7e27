"""Label maps in PNG files, decoded inside a TensorFlow graph: the ids themselves, of grey and of palette files.

`tf.io.decode_png` replaces the ids of a palette file by its colours, scales grey of 1, 2 and 4 bits to 8, and allocates
whatever size a file, or any chunk in it, claims. So header and chunks are checked first, and the decoder gets a
grey file of the header and the image data alone.
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
MOST_CHUNKS = 4096  # libpng writes image data in chunks of 8 kB
SLACK = 65536  # bytes beside the image data: colour profiles, comments
END = b"\0\0\0\0IEND\xaeB`\x82"
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


def _image_data(png, name):
    """The chunks of image data, joined, after a walk over all chunks: none may claim more than the file holds."""
    data = tf.io.decode_raw(png, tf.uint8)
    size = tf.size(data, out_type=tf.int64)

    def unfinished(position, ended, *_):
        return ~ended & (position + CHUNK_FRAME <= size)

    def step(position, ended, starts, lengths):
        head = data[position : position + 8]
        kind, length = head[4:], _number(head, 0) + CHUNK_FRAME
        fits = position + length <= size
        is_data = fits & tf.reduce_all(kind == list(b"IDAT"))
        starts = starts.write(starts.size(), position)
        lengths = lengths.write(lengths.size(), tf.where(is_data, length, 0))
        ended = fits & tf.reduce_all(kind == list(b"IEND"))
        return tf.where(fits, position + length, size), ended, starts, lengths

    arrays = [tf.TensorArray(tf.int64, size=0, dynamic_size=True, element_shape=()) for _ in range(2)]
    start = [tf.constant(HEADER_BYTES, tf.int64), tf.constant(False), *arrays]
    _, ended, starts, lengths = tf.while_loop(unfinished, step, start, maximum_iterations=MOST_CHUNKS)
    message = (
        f"{name} must be a whole PNG file of at most {MOST_CHUNKS} chunks. Received one that is cut or damaged. Bytes"
    )
    with tf.control_dependencies([tf.debugging.Assert(ended, [message, size])]):
        return tf.strings.reduce_join(tf.strings.substr(png, starts.stack(), lengths.stack()))


def _as_grey(png, header, image_data):
    """A file of header and image data alone, declared grey: the samples of a palette file are its indices."""
    change = tf.where(header[COLOUR_TYPE] == PALETTE, CRC_CHANGE.astype(np.int32), 0)
    crc = tf.strings.reduce_join(tf.gather(BYTES, tf.bitwise.bitwise_xor(header[CRC : CRC + 4], change)))
    begin, methods = tf.strings.substr(png, 0, COLOUR_TYPE), tf.strings.substr(png, COLOUR_TYPE + 1, 3)
    return tf.strings.join([begin, BYTES[GREY], methods, crc, image_data, END])


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
    colour_type, most = header[COLOUR_TYPE], 2 * size[0] * (2 * size[1] + 1) + SLACK
    checks = [
        tf.debugging.Assert(
            tf.strings.length(png) <= most,
            [f"{name} may have {most} bytes, twice what 16 bits a pixel take. Received", tf.strings.length(png)],
        ),
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
        grey = _as_grey(png, header, _image_data(png, name))
    samples = tf.io.decode_png(grey, channels=1, dtype=tf.uint16)
    # The decoder scales every depth to 16 bits: by 1, 257, 4369, 21845 and 65535.
    scale = 65535 // tf.maximum(tf.bitwise.left_shift(1, bits) - 1, 1)
    return tf.ensure_shape(tf.cast(samples[..., 0], tf.int32) // scale, size)
