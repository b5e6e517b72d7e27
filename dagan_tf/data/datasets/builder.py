"""What the data sets have in common: their builder for TFDS, and the source of what it has prepared.

TensorFlow Datasets (TFDS) keeps a data set in few large files. `PairsBuilder` writes them from the files of an unpacked
copy, and `open_prepared` opens them as a source: the same examples in the same order as the unpacked files give.
"""

import io
import sys
from abc import abstractmethod
from pathlib import Path

import numpy as np
import requests
import tensorflow_datasets as tfds
from PIL import Image

from dagan_tf.errors import UserError

EXIF_ORIENTATION, UPRIGHT = 0x0112, 1
MOST_INSTANCE = 2**16 - 1
SKIP = tfds.decode.SkipDecoding()


class PairsBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A builder for TFDS of photos with label maps, and with instance maps where the data set has them.

    Examples have `image` `(h, w, 3)` uint8, `label` `(h, w, 1)` uint8 classes, `name`, and `instance` `(h, w, 1)`
    uint16. `label` knows the names of the classes; their colours are in `info.metadata["palette"]`. A photo that is
    stored as it is used keeps its file's bytes; any other is stored as PNG, so that no pixel changes.

    The builder of a data set has `source`, and sets `VERSION`, `MANUAL_DOWNLOAD_INSTRUCTIONS` and what is empty here.
    """

    LABELS = None  # `LabelSpec`
    TITLE = ""  # what messages call it
    DESCRIPTION = HOMEPAGE = CITATION = ""
    SPLITS = ("train", "test")
    HAS_INSTANCES = False
    URLS = {}  # noqa: RUF012  {split: address} where the builder may download it

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        # TFDS 4.9 looks this file up with importlib_resources, which it does not require to be installed.
        cls.code_path = Path(sys.modules[cls.__module__].__file__)

    @abstractmethod
    def source(self, folder, split):
        """The `PairsSource` of a split in the folder of an unpacked copy, or `None` where there is no such split."""

    def holds(self, folder):
        """Whether a folder has a copy in it; only asked where the builder could download one instead."""
        return bool(folder)

    def _info(self):
        label = tfds.features.LabeledImage(
            labels=list(self.LABELS.class_names), shape=(None, None, 1), encoding_format="png"
        )
        features = {"image": tfds.features.Image(shape=(None, None, 3)), "label": label, "name": tfds.features.Text()}
        if self.HAS_INSTANCES:
            features["instance"] = tfds.features.Image(
                shape=(None, None, 1), dtype=np.uint16, encoding_format="png", use_colormap=False
            )
        return self.dataset_info_from_configs(
            description=self.DESCRIPTION,
            features=tfds.features.FeaturesDict(features),
            homepage=self.HOMEPAGE,
            citation=self.CITATION,
            metadata=tfds.core.MetadataDict(palette=[list(colour) for colour in self.LABELS.palette]),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        folders = self._manual_folders(dl_manager) or fetch(dl_manager, self.URLS)
        sources = {split: self.source(folder, split) for split, folder in folders.items()}
        return {split: self._generate_examples(source) for split, source in sources.items() if source is not None}

    def _manual_folders(self, dl_manager):
        """The folder of an unpacked copy for each split, or None where there is none and the builder downloads it."""
        try:
            folder = dl_manager.manual_dir
        except AssertionError as error:  # TFDS: missing or empty
            if self.URLS:
                return None
            raise UserError(str(error)) from error
        # By default it is one folder that all of TFDS' datasets share.
        return dict.fromkeys(self.SPLITS, folder) if not self.URLS or self.holds(folder) else None

    def _generate_examples(self, source):
        for index, name in enumerate(source.names):
            example = source[index]
            record = {
                "image": _to_store(source.photos[index], example["image"]),
                "label": example["label"][:, :, None],
                "name": name,
            }
            if self.HAS_INSTANCES:
                record["instance"] = _as_uint16(example["instance"], source.name(index))[:, :, None]
            yield name, record


class PreparedSource:
    """What TFDS has prepared, with the interface of `FileSource`.

    Args:
        builder: a `PairsBuilder` that is prepared, in the format array_record.
        split: name of one of its splits.
    """

    def __init__(self, builder, split):
        # TFDS cannot decode PNG of 16 bits with PIL, and decodes otherwise where OpenCV is installed: it only reads.
        pictures = [key for key in ("image", "label", "instance") if key in builder.info.features]
        self._examples = builder.as_data_source(split, decoders=dict.fromkeys(pictures, SKIP))
        self._pictures, self._name = pictures, f"{builder.info.full_name} {split}"

    def fingerprint(self):
        """A text that changes when the examples do: the data set's name, configuration, version and split."""
        return self._name

    def __len__(self):
        return len(self._examples)

    def name(self, index):
        """The example's short name."""
        return self._examples[index]["name"].decode()

    def __getitem__(self, index):
        stored = self._examples[index]
        example = {key: np.asarray(Image.open(io.BytesIO(stored[key]))) for key in self._pictures}
        if "instance" in example:
            example["instance"] = example["instance"].astype(np.int32)
        return example


def open_prepared(builder_class, split, *, config=None, data_dir=None):
    """The examples that TFDS has prepared; the first use downloads them where the builder can.

    Args:
        builder_class: a `PairsBuilder`.
        split: "train" or "test".
        config: name of one of the builder's configurations.
        data_dir: root folder of TFDS, by default `~/tensorflow_datasets`.

    Returns:
        A `PreparedSource`, or `None`: the split was not there when the data set was prepared.

    Raises:
        UserError: it is not prepared and cannot be downloaded, or is prepared in another format than array_record.
    """
    title, name = builder_class.TITLE, builder_class.name
    try:
        builder = builder_class(data_dir=data_dir, config=config, file_format="array_record")
    except ValueError as error:
        raise UserError(
            f"Expected {title} of TFDS in the format array_record. Received: {error}. Remove {name} from "
            f"{data_dir or '~/tensorflow_datasets'}, or give another folder."
        ) from error
    if not builder.is_prepared():
        _prepare(builder)
    return PreparedSource(builder, split) if split in builder.info.splits else None


def fetch(dl_manager, urls):
    """Downloads and unpacks files with TFDS: `{split: folder}` for `{split: address}`."""
    # TFDS waits for a server without limit and asks ten times: without a network that takes minutes.
    for url in set(urls.values()):
        with requests.get(url, stream=True, timeout=10) as response:
            response.raise_for_status()
    return dl_manager.download_and_extract(urls)


def _prepare(builder):
    how = builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    if not builder.URLS:
        raise UserError(
            f"Expected `data_dir`, or {builder.TITLE} as TFDS has prepared it in {builder.data_dir}. Received: "
            f"neither. {how}"
        )
    try:
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
    except (OSError, tfds.download.DownloadError) as error:  # OSError: what requests and urllib raise
        raise UserError(
            f"Could not download {builder.TITLE}: {error}. {how} Or train on the built-in facades, which need no "
            "download: `dataset` procedural."
        ) from error


def _to_store(path, pixels):
    """The file of a photo where it shows the example's pixels as it is, else the pixels, which TFDS makes a PNG of."""
    with Image.open(path) as picture:
        as_it_is = (
            picture.format in ("JPEG", "PNG")
            and picture.mode == "RGB"
            and picture.size == pixels.shape[1::-1]
            and picture.getexif().get(EXIF_ORIENTATION, UPRIGHT) == UPRIGHT
        )
    return path if as_it_is else np.ascontiguousarray(pixels)


def _as_uint16(instance, name):
    """An instance map as the 16 bits of a PNG; raises `UserError` where an id needs more."""
    if instance.min() < 0 or instance.max() > MOST_INSTANCE:
        raise UserError(
            f"{name}: expected instance ids 0 to {MOST_INSTANCE}, which a PNG of 16 bits holds. Received: "
            f"{instance.min()} to {instance.max()}. Number the instances anew."
        )
    return instance.astype(np.uint16)
