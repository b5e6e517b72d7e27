"""One picture file to an array, and to nothing else than what it holds: PIL and NumPy alone.

What a file is decides its content, not its name; only NPY goes by the suffix. Every way in which a file can fail
becomes a `UserError` that begins with the file's name.
"""

import contextlib
import re
import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from dagan_tf.data.listing import INSTANCE, LABEL, PHOTO
from dagan_tf.errors import UserError

NPY = ".npy"
LOSSY = ("JPEG", "MPO", "WEBP", "JPEG2000", "AVIF", "HEIF")
"""Formats, as PIL names them, that do not keep every pixel's value, or need not."""
LOSSY_IN_TIFF = ("jpeg", "tiff_jpeg", "webp", "jp2000")
ID_MODES = ("1", "L", "P", "I", "F", "I;16", "I;16B", "I;16L")
WITH_ALPHA = {"LA": "L", "PA": "P", "RGBA": "RGB"}
PHOTO_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L")
SPREAD = {"L;2": 85, "L;4": 17}
"""By what PIL multiplies grey values of 2 and 4 bits, so that they lie in 0..255."""
PHOTOMETRIC, FILL_ORDER = 262, 266
"""Tags of a TIFF file: whether 0 is white (0) or black (1), and in which order bits lie in a byte."""
SIDEWAYS = (5, 6, 7, 8)
"""Values of the EXIF orientation that swap width and height."""


def read_photo(path):
    """The photo `(h, w, 3)` uint8 of one file: JPEG, PNG, TIFF, BMP, WebP or NPY; raises `UserError`.

    It is turned as its camera says (EXIF). Grey becomes three equal channels, transparency is left out, and 16 bits
    become 8: 0 to 65535 are 0 to 255.
    """
    if Path(path).suffix.lower() == NPY:
        return _to_rgb(path, _load_npy(path, PHOTO))
    with _opened(path, PHOTO) as picture:
        if picture.mode not in DEEP_MODES:
            return np.asarray(_turned(picture).convert("RGB"))
        return _to_rgb(path, np.asarray(_turned(picture)))


def read_size(path, role):
    """The (height, width) of one file, from its first bytes alone; `UserError` for what these show to be wrong."""
    if Path(path).suffix.lower() == NPY:
        return _load_npy(path, role, header=True)
    with _opened(path, role, header=True) as picture:
        width, height = picture.size
        if picture.format == "TIFF":  # of which PIL swaps the size before it is loaded, or does not, by its version
            width, height = (picture.tag_v2[tag] for tag in (ExifTags.Base.ImageWidth, ExifTags.Base.ImageLength))
        turned = _header_orientation(picture) in SIDEWAYS
        return (width, height) if turned else (height, width)


def read_map(path, role):
    """What a label map or an instance map holds.

    Args:
        path: of a PNG, TIFF, BMP or NPY file.
        role: `LABEL` or `INSTANCE`; only label maps may be in colours.

    Returns:
        `(pixels, colours)`: ids (h, w), integers, or colours (h, w, 3) uint8; and the palette (n, 3) of a palette file,
        else `None`.

    Raises:
        UserError: the file cannot be decoded, is of a lossy format, transparent, or of another form.
    """
    if Path(path).suffix.lower() == NPY:
        return _whole_numbers(path, _load_npy(path, role)), None
    with _opened(path, role, header=True) as picture:
        packing = _packing(picture)
        picture.load()
        picture = _turned(_without_alpha(picture, path, role))
        if picture.mode == "RGB":
            if role == INSTANCE:
                raise UserError(colours_are_no_ids(path, role))
            return np.asarray(picture), None
        pixels = np.asarray(picture)
        if packing in SPREAD:
            pixels = pixels // SPREAD[packing]
        colours = np.reshape(picture.getpalette("RGB"), (-1, 3)) if picture.mode == "P" else None
        return _whole_numbers(path, pixels), colours


def set_pixel_limit(pixels):
    """Sets how many pixels a file may have, for the whole process; it guards against files made to fill the memory."""
    Image.MAX_IMAGE_PIXELS = pixels / 2  # PIL warns at this number and refuses at twice as many
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def pixel_limit():
    """How many pixels a file may have; `None`: any number."""
    return Image.MAX_IMAGE_PIXELS and int(2 * Image.MAX_IMAGE_PIXELS)


@contextlib.contextmanager
def _opened(path, role, header=False):
    """The PIL image of a file, decoded to its last row but for `header`, and of a form that the role may have."""
    try:
        picture = Image.open(path)
        with picture:
            _check_form(picture, path, role)
            if not header:
                picture.load()
            yield picture
    except (UserError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise UserError(
            f"{path}: expected at most {pixel_limit():,} pixels, a limit that guards against files made to fill the "
            f"memory. Received: {_pixels_of(error)}. If the file is to be trusted, raise `max_pixels`."
        ) from error
    except Exception as error:  # PIL's readers raise errors of all kinds for damaged files
        raise UserError(
            f"{path}: expected a whole picture file ({role}). Received: {error or type(error).__name__}. The file may "
            "be cut off, damaged, of a rare kind, or no picture: copy it again, save it as PNG, or remove it."
        ) from error


def _check_form(picture, path, role):
    """What the first bytes of a file show: format, number of pictures, mode."""
    if getattr(picture, "n_frames", 1) > 1 and picture.format != "MPO":  # phones keep a preview beside the photo
        raise UserError(f"{path}: expected one {role}. Received: {picture.n_frames} pictures in one file. Split it.")
    compression = picture.info.get("compression") if picture.format == "TIFF" else None
    if compression == "raw" and _header_orientation(picture) in SIDEWAYS:
        # Pillow 13 exchanges width and height before it decodes, so that rows are cut in wrong places.
        raise UserError(
            f"{path}: a TIFF file that its orientation turns by 90 degrees must be compressed, or Pillow misreads it. "
            "Received: none of compression. Save it turned, or compressed."
        )
    if role == PHOTO:
        if picture.mode not in PHOTO_MODES + DEEP_MODES:
            raise UserError(
                f"{path}: a photo must have 8 bits per channel, or be grey with 16. Received: mode {picture.mode}. "
                "Convert it."
            )
        return
    if picture.format in LOSSY or compression in LOSSY_IN_TIFF:
        kind = f"{compression.upper()} in TIFF" if compression else picture.format
        raise UserError(
            f"{path}: a {role} must be of a format that keeps every id: PNG, TIFF, BMP or NPY. Received: {kind}, which "
            "changes pixels, also after it was converted. Make it anew from the original."
        )
    if picture.format == "TIFF" and (picture.tag_v2.get(PHOTOMETRIC) == 0 or picture.tag_v2.get(FILL_ORDER) == 2):
        # PIL would turn ids round, to show what is to be white as white, or spread bits of another order.
        raise UserError(
            f"{path}: a TIFF file of ids must have black as 0, and its bits in the usual order. Received: white as 0 "
            "(PhotometricInterpretation 0), or FillOrder 2. Save it again as BlackIsZero, or as PNG."
        )
    # PIL has no mode for these and would keep the upper 8 bits alone.
    deep_colours = picture.mode not in ID_MODES and "16" in _packing(picture)
    if picture.mode not in (*ID_MODES, *WITH_ALPHA, "RGB") or deep_colours:
        depth = " with 16 bits per channel" if deep_colours else ""
        raise UserError(
            f"{path}: a {role} must be a grey or palette picture with ids. Received: mode {picture.mode}{depth}. "
            "Convert it."
        )


def _packing(picture):
    """How the pixels of a file are packed, as PIL writes it, such as "L;4"; known until they are loaded."""
    found = picture.tile[0][3] if picture.tile else ""
    return str(found[0] if isinstance(found, tuple) else found)


def _header_orientation(picture):
    """The orientation that the first bytes of a file give, or `None`."""
    # PIL's own method for PNG would decode all pixels, to look behind them, too.
    return Image.Image.getexif(picture).get(ExifTags.Base.Orientation)


def _turned(picture):
    """A picture as it is to be seen, by the orientation that its EXIF data give."""
    orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    return picture if orientation == 1 else ImageOps.exif_transpose(picture)


def _without_alpha(picture, path, role):
    if picture.mode not in WITH_ALPHA:
        return picture
    alpha = picture.getchannel("A").getextrema()
    if alpha != (255, 255):
        raise UserError(
            f"{path}: a {role} must not be transparent. Received: opacity of {alpha[0]} to {alpha[1]} of 255. Save it "
            "without an alpha channel."
        )
    return picture.convert(WITH_ALPHA[picture.mode])


def _load_npy(path, role, header=False):
    """The array of an NPY file; with `header` its (height, width) alone. Its form is checked before it is read."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # ValueError for most damages, but also EOFError, SyntaxError, tokenize's errors
        raise UserError(
            f"{path}: expected an array in NPY format. Received: {_npy_fault(error)}. Save it again."
        ) from error
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    shapes = "(height, width)" + (" or (height, width, 3)" if role == PHOTO else "")
    if not (array.ndim == 2 or (role == PHOTO and array.ndim == 3 and array.shape[-1] == 3)) or not array.size:
        raise UserError(f"{path}: expected an array {shapes}. Received: {array.shape}. Save one {role} a file.")
    limit = pixel_limit()
    if limit and array.shape[0] * array.shape[1] > limit:
        raise UserError(
            f"{path}: expected at most {limit:,} pixels. Received: {array.shape[0]}x{array.shape[1]} (height x width). "
            "If the file is to be trusted, raise `max_pixels`."
        )
    kinds = {"uint8", "uint16"} if role == PHOTO else {"bool", "int", "uint", "float"}
    if not any(array.dtype.name.startswith(kind) for kind in kinds):
        raise UserError(f"{path}: expected numbers ({', '.join(sorted(kinds))}). Received: {array.dtype}. Convert it.")
    return array.shape[:2] if header else np.array(array)


def _pixels_of(error):
    """How many pixels PIL says that a file has, as a text."""
    found = re.search(r"\((\d+) pixels\)", str(error))
    return f"{int(found[1]):,} pixels" if found else str(error).rstrip(".")


def _npy_fault(error):
    """What is wrong with an NPY file; NumPy's own words advise what nobody should do with a file of others."""
    known = {"pickle": "objects of Python, which may not be executed", "mmap length": "a file that is cut off"}
    return next((text for word, text in known.items() if word in str(error)), str(error).rstrip("."))


def _whole_numbers(path, pixels):
    """Ids as integers; floats that are no whole numbers raise `UserError`."""
    if pixels.dtype == bool:
        return pixels.astype(np.uint8)
    if pixels.dtype.kind != "f":
        return pixels
    wrong = ~np.isfinite(pixels) | (pixels != np.rint(pixels)) | (np.abs(pixels) > 2**31)
    if wrong.any():
        raise UserError(
            f"{path}: ids must be whole numbers. Received: {pixels[wrong][0]} and {wrong.sum() - 1} more like it. "
            "Resized maps need nearest neighbour; probabilities need argmax."
        )
    return pixels.astype(np.int64)


def _to_rgb(path, levels):
    """Grey or colours of 8 or 16 bits, (h, w) or (h, w, 3), as uint8 (h, w, 3)."""
    if levels.dtype != np.uint8:
        if levels.min() < 0 or levels.max() > 65535:
            raise UserError(
                f"{path}: a photo must have at most 16 bits per channel. Received: levels from {levels.min()} to "
                f"{levels.max()}. Scale them to 0..65535, or to 8 bits."
            )
        levels = ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return levels if levels.ndim == 3 else np.repeat(levels[..., None], 3, axis=-1)


def colours_are_no_ids(path, role):
    """The message for a map in colours where ids are needed."""
    advice = "give the class of each colour in a table (`classes`), or convert colours to ids" if role == LABEL else (
        "convert each colour to an id"
    )  # fmt: skip
    return (
        f"{path}: a {role} must be a grey or palette picture with {'class' if role == LABEL else 'instance'} ids. "
        f"Received: colours (RGB), which are not ids by themselves: {advice}."
    )
