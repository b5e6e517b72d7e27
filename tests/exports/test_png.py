"""Label maps decoded in the graph against Pillow, and every file that must be refused."""

import io
import resource
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, PngImagePlugin

from dagan_tf.exports.png import decode_ids

SIZE = (6, 7)


@pytest.fixture(scope="module")
def decode():
    return tf.function(lambda png: decode_ids(png, SIZE, "label_png"), [tf.TensorSpec((), tf.string)])


def saved(image, **options):
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def ids(highest, size=SIZE):
    return np.random.default_rng(0).integers(highest + 1, size=size)


def palette_image(label, colours=256):
    image = Image.fromarray(label.astype(np.uint8)).convert("P")
    image.putdata(label.ravel().tolist())
    image.putpalette(np.random.default_rng(1).integers(256, size=3 * colours).astype(np.uint8).tobytes())
    return image


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def written(bits, colour_type, width, height, samples=b"", extra=b""):
    """A PNG file made chunk by chunk."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(samples))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + body + chunk(b"IEND", b"")


def test_grey(decode):
    label = ids(255)
    np.testing.assert_array_equal(decode(saved(Image.fromarray(label.astype(np.uint8)))), label)


def test_grey_of_16_bits(decode):
    label = ids(65535)
    np.testing.assert_array_equal(decode(saved(Image.fromarray(label.astype(np.uint16)))), label)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("options", [{}, {"transparency": 1}], ids=["opaque", "transparent"])
def test_palette(decode, bits, options):
    label = ids(2**bits - 1)
    file = saved(palette_image(label, 2**bits), bits=bits, **options)
    assert (file[24], file[25]) == (bits, 3)
    np.testing.assert_array_equal(decode(file), label)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_few_bits(decode, bits):
    label = ids(2**bits - 1, (6, 8 // bits))
    label = np.tile(label, (1, bits))[:, :7]
    rows = [int("".join(f"{v:0{bits}b}" for v in row).ljust(8 * -(-7 * bits // 8), "0"), 2) for row in label.tolist()]
    samples = b"".join(b"\0" + row.to_bytes(-(-7 * bits // 8), "big") for row in rows)
    np.testing.assert_array_equal(decode(written(bits, 0, 7, 6, samples)), label)


def test_palette_after_other_chunks(decode):
    label = ids(255)
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "before the palette")
    image = palette_image(label)
    file = saved(image, pnginfo=info, dpi=(72, 72))
    moved = chunk(b"gAMA", struct.pack(">I", 45455))
    file = file[:33] + moved + file[33:]
    assert file.index(b"PLTE") > 45
    np.testing.assert_array_equal(decode(file), label)


GREY = saved(Image.fromarray(ids(12).astype(np.uint8)))
REFUSED = {
    "empty": (b"", "must be a PNG file.*number is.*0"),
    "short": (b"abc", "must be a PNG file"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(100), "must be a PNG file"),
    "header only": (GREY[:33], "PNG"),
    "cut": (GREY[:-30], "PNG"),
    "damaged": (GREY[:50] + bytes([GREY[50] ^ 255]) + GREY[51:], "PNG"),
    "other size": (saved(Image.new("L", (8, 6))), r"must be 6x7 \(height x width\).*Received\] \[6\] \[x\] \[8\]"),
    "colours": (saved(Image.new("RGB", (7, 6))), "grey or palette PNG.*colour type\\] \\[2\\]"),
    "alpha": (saved(Image.new("LA", (7, 6))), "grey or palette PNG.*colour type\\] \\[4\\]"),
    "bomb": (written(8, 0, 100_000, 100_000), r"must be 6x7.*\[100000\] \[x\] \[100000\]"),
    "no samples": (written(8, 0, 7, 6), "PNG"),
    "no depth": (written(0, 0, 7, 6), "PNG"),
    "not ended": (GREY[:-12], "cut or damaged"),
    "too long": (written(8, 0, 7, 6, extra=chunk(b"tEXt", bytes(70_000))), "may have .* bytes"),
    "too many chunks": (written(8, 0, 7, 6, extra=5000 * chunk(b"tEXt", b"")), "at most 4096 chunks"),
    **{
        f"{kind.decode()} claims {length:#x}": (
            written(8, 3, 7, 6, extra=struct.pack(">I", length) + kind),
            "cut or dam",
        )
        for kind in (b"PLTE", b"tEXt", b"IDAT")
        for length in (0x10000, 2**31 - 12, 2**31 - 1, 2**31, 0x80000030, 2**32 - 13, 2**32 - 1)
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(decode, name):
    file, message = REFUSED[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        decode(file)


def test_damaged_files_are_refused_or_read(decode):
    """Whatever bytes come: an id map or InvalidArgument."""
    rng = np.random.default_rng(0)
    whole = saved(palette_image(ids(12)))
    outcomes = set()
    for _ in range(400):
        file = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            file[rng.integers(8, len(file))] = rng.integers(256)
        try:
            outcomes.add(decode(bytes(file)).shape.as_list() == list(SIZE))
        except tf.errors.InvalidArgumentError:
            outcomes.add("refused")
    assert outcomes <= {True, "refused"}
    assert "refused" in outcomes


def test_claims_take_no_memory(decode):
    """A chunk that claims 2 GB costs nothing; nor does a text that would inflate to as much."""
    bomb = chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(20_000_000)))
    label = np.zeros(SIZE, int)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for kind in (b"tEXt", b"zTXt", b"iTXt", b"sPLT"):
        with pytest.raises(tf.errors.InvalidArgumentError):
            decode(written(8, 0, 7, 6, extra=struct.pack(">I", 0x7FFFFFFF) + kind))
    np.testing.assert_array_equal(decode(written(8, 0, 7, 6, 6 * bytes(8), extra=bomb)), label)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # kB
    assert grown < 50_000
