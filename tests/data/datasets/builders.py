"""What the tests of data sets share: made files, a builder that prepares them, TFDS' own test of a builder."""

import pathlib
import shutil
import tempfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from tests.helpers import ROOT

SIZE = (6, 9)
"""(height, width) of made pictures."""


def save(path, array):
    """Writes an array as the kind of file that its name says, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array)).save(path)


def ids(seed, most, size=SIZE, dtype="uint8"):
    """A label map of ids 0 to `most`, in which both are."""
    found = np.random.default_rng(seed).integers(0, most + 1, size).astype(dtype)
    found[0, :2] = 0, most
    return found


def photo(seed, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype("uint8")


def real(name):
    """The folder of real samples of a data set, and the mark that skips a test where it is absent."""
    folder = ROOT.parent / "shared/data" / name
    return folder, pytest.mark.skipif(not folder.is_dir(), reason=f"the samples of {name} are not at {folder}")


def prepare(builder_class, copy, folder, **options):
    """The builder, prepared below `folder` from an unpacked copy in the format that can be opened."""
    builder = builder_class(data_dir=folder, file_format="array_record", **options)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=copy, try_download_gcs=False))
    return builder


def assert_same(source, other):
    """Two sources have the same examples in the same order, of the same types."""
    assert len(source) == len(other) > 0
    for index in range(len(source)):
        example, same = source[index], other[index]
        assert example.keys() == same.keys()
        for key in example:
            np.testing.assert_array_equal(example[key], same[key])
            assert example[key].dtype == same[key].dtype


class BuilderTest(tfds.testing.DatasetBuilderTestCase):
    """TFDS' own test of a builder, on an unpacked copy made by `make(folder)`; take it as `builders.BuilderTest`.

    A subclass has `DATASET_CLASS`, `SPLITS` and `make`.
    """

    SKIP_CHECKSUMS = True  # no data set here publishes any

    @classmethod
    def setUpClass(cls):
        cls.EXAMPLE_DIR = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.EXAMPLE_DIR)
        cls.make(pathlib.Path(cls.EXAMPLE_DIR))
        super().setUpClass()
