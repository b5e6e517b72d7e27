"""The page and the text of a report: whole HTML with the examples, nothing from outside, names that are safe."""

import base64
import html.parser
import io
import os

import numpy as np
import pytest
from PIL import Image

from dagan_tf.config import DataConfig, ModelConfig
from dagan_tf.data.inspection.checking import full_report
from dagan_tf.data.inspection.page import page_of
from dagan_tf.data.inspection.text import MOST_CLASSES, text_of
from dagan_tf.labels import LabelSpec
from tests.data.inspection.folders import blocks, cut, write_pairs

MODEL = ModelConfig(num_classes=3, image_size=(64, 64))
LABELS = LabelSpec(3, class_names=("sky <b>", "wall", "road"), palette=((10, 20, 30), (200, 0, 0), (0, 200, 0)))
VOID = ("meta", "img", "br")


class Reader(html.parser.HTMLParser):
    """Elements by name, with their attributes; text; and whether each element is closed."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text, self._open = [], "", []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def images(self):
        sources = [attrs["src"] for tag, attrs in self.found if tag == "img"]
        assert all(source.startswith("data:image/") for source in sources)
        return [Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) for source in sources]


def checked(root, labels=LABELS):
    data = DataConfig("folder", data_dir=str(root))
    return full_report(data, labels, MODEL, 4, lambda words: lambda done, total: None)


def test_a_page_of_good_examples(tmp_path):
    report, pictures = checked(write_pairs(tmp_path, 2))
    reader = Reader(page_of(report, pictures, "<my> data"))
    assert "<my> data" in reader.text
    assert "sky <b>" in reader.text
    assert "b" not in [tag for tag, _ in reader.found]
    assert "Nothing is wrong" in reader.text
    images = reader.images()
    assert len(images) == 2 * 3  # label map, photo, both
    painted = np.array(LABELS.palette, np.uint8)[blocks(0)]
    np.testing.assert_array_equal(np.asarray(images[0]), painted)
    assert {image.size for image in images} == {(32, 24)}


def test_findings_and_ids_of_unknown_classes(tmp_path):
    write_pairs(tmp_path, 3)
    Image.fromarray(np.where(blocks(1) == 2, 255, blocks(1)).astype(np.uint8)).save(tmp_path / "labels/001.png")
    cut(tmp_path / "images/002.jpg")
    report, pictures = checked(tmp_path, None)
    reader = Reader(page_of(report, pictures, "data"))
    assert "Errors" in reader.text
    assert str(tmp_path / "images/002.jpg") in reader.text
    assert "--num-classes 4 --unknown-id 255" in reader.text
    assert len(reader.images()) == 2 * 3
    text = text_of(report)
    assert "error: " in text
    assert report["proposal"]["command"] in text
    assert "3 examples, 2 of them without errors" in text


def test_file_names_that_are_no_text(tmp_path):
    write_pairs(tmp_path, 1)
    for folder, suffix in (("labels", ".png"), ("images", ".jpg")):
        try:
            os.rename(tmp_path / folder / f"000{suffix}", os.fsencode(tmp_path / folder) + b"/\xff" + suffix.encode())
        except OSError:
            pytest.skip("the file system wants names in UTF-8")
    page = page_of(*checked(tmp_path), os.fsdecode(b"\xff"))
    assert "<h1>\\udcff</h1>" in page
    assert "\\udcff.png" in page
    assert page.encode()


def test_nothing_to_show():
    data = DataConfig("folder", data_dir="there is no such folder")
    report, pictures = full_report(data, LABELS, MODEL, 4, lambda words: None)
    assert Reader(page_of(report, pictures, "none")).images() == []
    assert "There is no such folder" in text_of(report)


def test_many_classes_are_cut_in_text():
    rows = [{"id": i, "name": None, "pixels": i, "share": i / 4950, "maps": 1} for i in range(100)]
    text = text_of({"classes": rows, "findings": []})
    assert f"and {100 - MOST_CLASSES} more" in text
    assert text.splitlines()[1].split()[0] == "60"
