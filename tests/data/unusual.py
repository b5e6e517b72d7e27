"""More than two hundred data sets of one pair that are broken or unusual, and what is to become of each.

A `Case` writes labels/ and photos/ (and instances/) below a folder. What is expected of it is a pattern of the message,
the label map that is to be read, or `SAFE`: either a message that names a file, or exactly the right pixels.
"""

import io
import os
from typing import NamedTuple

import numpy as np
import tifffile
from PIL import Image

from tests.data.pictures import packed_png, png, save

SIDE = 32
CLASSES = 13
LABEL = np.random.default_rng(0).integers(0, CLASSES, (SIDE, SIDE), np.uint8)
PHOTO = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
SAFE = "safe"
LABEL_SUFFIXES = ("png", "tif", "bmp", "npy")
PHOTO_SUFFIXES = (*LABEL_SUFFIXES, "jpg", "webp")


class Case(NamedTuple):
    """One data set: how it is written, and what is to become of it."""

    name: str
    write: callable
    expected: object
    flags: tuple = ()


def encoded(array, form, **options):
    """An array as the bytes of a picture file; NPY, too."""
    file = io.BytesIO()
    if form == "npy":
        np.save(file, array)
    else:
        Image.fromarray(array).save(file, {"tif": "TIFF", "jpg": "JPEG"}.get(form, form.upper()), **options)
    return file.getvalue()


def pair(folder, label=LABEL, photo=PHOTO, label_name="a.png", photo_name="a.png"):
    """Writes a pair; each of it an array or the bytes of its file, or `None`: none."""
    for role, content, name in (("labels", label, label_name), ("photos", photo, photo_name)):
        (folder / role).mkdir(exist_ok=True)
        if isinstance(content, bytes):
            (folder / role / name).write_bytes(content)
        elif content is not None:
            save(folder / role / name, content)


def of_pair(name, expected, flags=(), **contents):
    return Case(name, lambda folder: pair(folder, **contents), expected, flags)


def cut_off():
    """Files of every format without their end."""
    for role, suffixes, array in (("label", LABEL_SUFFIXES, LABEL), ("photo", PHOTO_SUFFIXES, PHOTO)):
        for suffix in suffixes:
            options = {"lossless": True} if suffix == "webp" else {}
            whole = encoded(array, suffix, **options)
            for keep in (0, 1, 10, len(whole) // 10, len(whole) // 2, len(whole) * 9 // 10, len(whole) - 1):
                contents = {role: whole[:keep], f"{role}_name": f"a.{suffix}"}
                yield of_pair(f"{role} {suffix} of {keep} bytes", SAFE, **contents)


def damaged():
    """PNG files, whose checksums tell, with some bytes changed, and files that are no pictures."""
    whole = encoded(LABEL, "png")
    for seed in range(24):
        rng = np.random.default_rng(seed)
        content = np.frombuffer(whole, np.uint8).copy()
        places = rng.integers(0, len(whole) if seed % 2 else 60, 1 + seed % 3)
        content[places] ^= rng.integers(1, 256, len(places), np.uint8)
        yield of_pair(f"label with changed bytes {seed}", SAFE, label=content.tobytes())
    texts = {"text": b"not a picture", "html": b"<html><body>404</body></html>", "zip": b"PK\3\4" + bytes(60)}
    texts |= {"pdf": b"%PDF-1.7\n", "zeros": bytes(5000), "git lfs": b"version https://git-lfs.github.com/spec/v1\n"}
    for kind, content in texts.items():
        for role in ("label", "photo"):
            for suffix in ("png", "tif", "npy"):
                contents = {role: content, f"{role}_name": f"a.{suffix}"}
                yield of_pair(f"{role} that is {kind} named {suffix}", rf"a\.{suffix}: expected", **contents)


def lossy():
    """Label maps in formats that do not keep ids, under the name of one that does."""
    grey = {"jpeg": {}, "jpeg2000": {}, "webp": {}, "webp lossless": {"lossless": True}, "avif": {}, "mpo": {}}
    for kind, options in grey.items():
        form = kind.split()[0]
        array = LABEL if form in ("jpeg", "jpeg2000") else np.stack([LABEL] * 3, -1)
        content = encoded(array, form, **options)
        yield of_pair(
            f"label map as {kind}", r"labels/a\.png: a label map must be of a format that keeps", label=content
        )
    content = encoded(np.stack([LABEL] * 3, -1), "tif", compression="jpeg")
    yield of_pair("label map as jpeg in tiff", r"a\.tif: .*keeps", label=content, label_name="a.tif")
    yield of_pair(
        "label maps with suffix jpg", r"1 \.jpg\)\. JPEG and WebP", label=encoded(LABEL, "jpg"), label_name="a.jpg"
    )


def modes():
    """Label maps and photos of every mode and number of bits."""
    colours = "must be a grey or palette picture"
    opaque = np.full((SIDE, SIDE), 255, np.uint8)
    clear = np.where(LABEL > 6, 255, 0).astype(np.uint8)
    palette = Image.fromarray(LABEL)
    palette.putpalette(list(range(255, -1, -1)) * 3)
    whole = {
        "grey": LABEL, "two values": LABEL % 2 == 1, "16 bits": LABEL.astype(np.uint16),
        "int32": LABEL.astype(np.int32), "float32": LABEL.astype(np.float32),
        "opaque alpha": np.dstack([LABEL, opaque]),
    }  # fmt: skip
    for kind, array in whole.items():
        right = array[..., 0] if array.ndim == 3 else array
        for suffix in ("png", "tif"):
            if not (suffix == "png" and kind in ("int32", "float32")):
                yield of_pair(f"label {kind} {suffix}", right, label=array, label_name=f"a.{suffix}")
    for suffix in ("png", "tif", "bmp", "gif"):
        file = io.BytesIO()
        palette.save(file, {"tif": "TIFF"}.get(suffix, suffix.upper()))
        name = f"a.{'png' if suffix == 'gif' else suffix}"
        yield of_pair(f"label palette {suffix}", LABEL, label=file.getvalue(), label_name=name)
    for bits, top in ((2, 4), (4, 13)):
        rows = (LABEL % top).tolist()
        yield Case(
            f"label of {bits} bits",
            lambda folder, rows=rows, bits=bits: (pair(folder, None), packed_png(folder / "labels/a.png", rows, bits)),
            LABEL % top,
        )
    refused = {
        "colours": (np.stack([LABEL] * 3, -1), colours), "alpha": (np.dstack([LABEL, clear]), "transparent"),
        "colours and alpha": (np.dstack([PHOTO, clear]), "transparent"),
        "colours, opaque": (np.dstack([PHOTO, opaque]), colours),
    }  # fmt: skip
    for kind, (array, message) in refused.items():
        for suffix in ("png", "tif"):
            yield of_pair(f"label {kind} {suffix}", rf"a\.{suffix}: .*{message}", label=array, label_name=f"a.{suffix}")
    for mode in ("CMYK", "LAB", "YCbCr"):
        content = io.BytesIO()
        picture = Image.new(mode, (SIDE, SIDE))
        picture.save(content, "TIFF")
        yield of_pair(f"label {mode}", r"a\.tif: a label map must be", label=content.getvalue(), label_name="a.tif")
        expected = r"a\.tif: a photo must have" if mode == "LAB" else LABEL
        yield of_pair(f"photo {mode}", expected, photo=content.getvalue(), photo_name="a.tif")
    for channels, colour_type in ((2, 4), (3, 2), (4, 6)):
        rows = [np.full((SIDE, channels), 300, ">u2").tobytes()] * SIDE
        for role, expected in (("labels", "16 bits per channel"), ("photos", LABEL)):
            yield Case(
                f"{role} of {channels} channels of 16 bits",
                lambda f, r=role, t=colour_type, rows=rows: (pair(f), png(f / r / "a.png", SIDE, SIDE, 16, t, rows)),
                expected,
            )
    for kind, array in {"grey": LABEL, "16 bits": LABEL.astype(np.uint16) * 5000, "two values": LABEL > 6}.items():
        for suffix in ("png", "tif"):
            yield of_pair(f"photo {kind} {suffix}", LABEL, photo=array, photo_name=f"a.{suffix}")
    yield of_pair("photo of floats", r"a\.tif: a photo must", photo=PHOTO[..., 0] / np.float32(255), photo_name="a.tif")
    yield of_pair("photo with alpha", LABEL, photo=np.dstack([PHOTO, clear]))
    yield of_pair("photo in 32 bits", "at most 16 bits", photo=LABEL.astype(np.int32) * 70000, photo_name="a.tif")


def numbers():
    """NPY files and TIFF files of numbers that are no ids, or not at once."""
    right = {
        "int64": LABEL.astype(np.int64), "big endian": LABEL.astype(">i4"), "column order": np.asfortranarray(LABEL),
        "float64": LABEL.astype(np.float64), "float16": LABEL.astype(np.float16), "truth values": LABEL > 6,
        "one channel": LABEL[..., None], "uint64": LABEL.astype(np.uint64),
    }  # fmt: skip
    for kind, array in right.items():
        expected = array[..., 0] if array.ndim == 3 else array
        yield of_pair(f"array of {kind}", expected, label=encoded(array, "npy"), label_name="a.npy")
    wrong = {
        "halves": LABEL / 2 + 0.25, "nan": np.full((SIDE, SIDE), np.nan), "infinite": np.full((SIDE, SIDE), np.inf),
        "text": np.array([["road"]]), "complex": LABEL.astype(complex), "dates": np.array([["2020-01-01"]], "M8[D]"),
        "records": np.zeros((2, 2), [("id", "i4")]), "one axis": LABEL[0], "three axes": np.stack([LABEL] * 2),
        "one-hot": np.eye(CLASSES)[LABEL], "nothing": np.zeros((0, SIDE), np.uint8), "no axes": np.uint8(3),
        "wrapping": LABEL.astype(np.int64) + 2**32, "negative": -LABEL.astype(np.int16) - 1,
    }  # fmt: skip
    for kind, array in wrong.items():
        yield of_pair(f"array of {kind}", r"a\.npy: ", label=encoded(array, "npy"), label_name="a.npy")
    objects = io.BytesIO()
    np.save(objects, np.array([{"id": 1}], object), allow_pickle=True)
    yield of_pair("array of objects", r"a\.npy: expected", label=objects.getvalue(), label_name="a.npy")
    header = encoded(np.zeros((2, 2), np.uint8), "npy").replace(b"(2, 2), }", b"(200000, 200000), }")
    yield of_pair("array of a size that is not there", r"a\.npy: expected", label=header, label_name="a.npy")
    for kind, array in {"float halves": LABEL / np.float32(2), "negative": -LABEL.astype(np.int32) - 1}.items():
        yield of_pair(f"tiff of {kind}", r"a\.tif: ", label=array, label_name="a.tif")


def ids():
    """Ids of no class, beside the unknown one, and unknown ones."""
    high = np.where(LABEL == 0, 255, LABEL).astype(np.uint8)
    unknown = ("--unknown-id", "255", "--num-classes", str(CLASSES + 1))
    yield of_pair("id 255", r"a\.png: .*id 255 .*`?unknown.id`?", label=high)
    yield of_pair("id 255 known", np.where(LABEL == 0, CLASSES, LABEL), unknown, label=high)
    yield of_pair("unknown without its class", r"id 12 .*it is 14", ("--unknown-id", "255"), label=high)
    for value in (13, 14, 100, 254):
        yield of_pair(
            f"id {value}", rf"a\.png: .*id {value} ", label=np.where(LABEL == 0, value, LABEL).astype(np.uint8)
        )
    yield of_pair("first id 1", r"a\.png: .*id 0 ", ("--first-id", "1"))
    yield of_pair("ids from 1", LABEL, ("--first-id", "1"), label=LABEL + 1)
    yield of_pair("ids of 16 bits", r"id 300 ", label=np.where(LABEL == 0, np.uint16(300), LABEL))


def sizes():
    """Files of an example that differ in size, that are tiny, or too large."""
    for kind, photo in {"half": PHOTO[::2, ::2], "a row less": PHOTO[1:], "a column less": PHOTO[:, 1:]}.items():
        yield of_pair(f"photo of {kind}", r"equal size.*\(height x width\)", photo=np.ascontiguousarray(photo))
    for height, width in ((1, 1), (1, SIDE), (SIDE, 1), (3, 1000)):
        label = np.ones((height, width), np.uint8)
        yield of_pair(f"a pair of {height}x{width}", label, label=label, photo=np.zeros((height, width, 3), np.uint8))
    for role in ("labels", "photos"):
        for side, size in (("width", (0, 4)), ("height", (4, 0)), ("pixel", (0, 0))):
            yield Case(
                f"a file of {role} with no {side}",
                lambda folder, role=role, size=size: (pair(folder), png(folder / role / "a.png", *size, 8, 0, [])),
                r"a\.png: ",
            )
    for role in ("labels", "photos"):
        rows = [bytes(-(-14000 // 8))] * 14000
        yield Case(
            f"{role} of 14000x14000",
            lambda folder, role=role, rows=rows: (pair(folder), png(folder / role / "a.png", 14000, 14000, 1, 0, rows)),
            r"a\.png: expected at most 178,956,970 pixels.*196,000,000 pixels.*max.pixels",
        )


def names():
    """Names that do not pair, or are not what most names are."""
    yield of_pair("no photo", "0 photos|1 label maps without photo|Expected photos", photo=None)
    yield of_pair("no label map", "Expected label maps", label=None)
    yield of_pair("another name", r"without photo \(a\).*without label map \(b\)", photo_name="b.png")
    yield of_pair("a hidden photo", "Expected photos", photo_name=".a.png")
    for name in ("A.PNG", "with space.png", "a.b.c.png", "größe.png", "x" * 200 + ".png", "#1%20.png", "<b>&amp;.png"):
        yield of_pair(f"named {name[:20]}", LABEL, label_name=name, photo_name=name)
    yield of_pair("composed and decomposed", LABEL, label_name="caf\u00e9.png", photo_name="cafe\u0301.png")
    broken = os.fsdecode(b"caf\xe9.png")
    yield of_pair("no UTF-8", LABEL, label_name=broken, photo_name=broken)
    yield of_pair(
        "no UTF-8, and broken", r"caf\\udce9\.png: expected a whole", label=b"", label_name=broken, photo_name=broken
    )
    yield of_pair("a line break", LABEL, label_name="a\nb.png", photo_name="a\nb.png")
    yield Case("two label maps", lambda f: (pair(f), pair(f, label_name="a.tif", photo=None)), "one label map per name")
    yield Case("two photos", lambda f: (pair(f), pair(f, label=None, photo_name="a.bmp")), "one photo per name")
    yield Case("a folder named a.png", lambda f: (pair(f, None), (f / "labels/a.png").mkdir()), "Expected label maps")
    yield Case("a pipe", lambda f: (pair(f, None), os.mkfifo(f / "labels/a.png")), r"a\.png: expected a file")
    yield Case(
        "a link to nothing", lambda f: (pair(f, None), (f / "labels/a.png").symlink_to("no")), "there is nothing"
    )
    yield Case("a link to itself", lambda f: (pair(f, None), (f / "labels/a.png").symlink_to("a.png")), r"a\.png: ")
    split = ("labels/train/b.png", "photos/train/b.png")
    yield Case("files beside splits", lambda f: (pair(f), [save(f / name, LABEL) for name in split]), "outside of them")


def turned():
    """Photos and label maps with every EXIF orientation; the label map as it is seen."""
    seen = [LABEL, LABEL[:, ::-1], LABEL[::-1, ::-1], LABEL[::-1]]
    seen += [LABEL.T, LABEL.T[:, ::-1], LABEL.T[::-1, ::-1], LABEL.T[::-1]]
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield of_pair(
            f"photo of orientation {orientation}", LABEL, photo=encoded(PHOTO, "jpg", exif=exif), photo_name="a.jpg"
        )
        yield of_pair(
            f"label of orientation {orientation}", seen[orientation - 1], label=encoded(LABEL, "png", exif=exif)
        )
        file = io.BytesIO()
        tifffile.imwrite(file, LABEL, extratags=[(0x0112, "H", 1, orientation, True)])
        expected = "must be compressed" if orientation > 4 else seen[orientation - 1]
        yield of_pair(f"tiff of orientation {orientation}", expected, label=file.getvalue(), label_name="a.tif")
    yield of_pair(
        "photo of orientation 99", LABEL, photo=encoded(PHOTO, "jpg", exif=b"Exif\0\0MM\0*broken"), photo_name="a.jpg"
    )


def several():
    """Files with several pictures in them."""
    pages = [Image.fromarray(LABEL), Image.fromarray(LABEL[::-1].copy())]
    for suffix in ("png", "tif"):
        file = io.BytesIO()
        pages[0].save(file, {"tif": "TIFF"}.get(suffix, "PNG"), save_all=True, append_images=pages[1:])
        for role in ("label", "photo"):
            contents = {role: file.getvalue(), f"{role}_name": f"a.{suffix}"}
            yield of_pair(f"{role} {suffix} with two pictures", "2 pictures in one file", **contents)


def all_cases():
    """Every case, a list."""
    parts = (cut_off, damaged, lossy, modes, numbers, ids, sizes, names, turned, several)
    return [case for part in parts for case in part()]
