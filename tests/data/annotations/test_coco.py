"""COCO's annotations, against rectangles whose pixels are known, run lengths counted here, and the even-odd rule."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from dagan_tf.data.annotations.coco import CocoFile
from dagan_tf.data.description import ClassRow
from dagan_tf.errors import UserError

mask = pytest.importorskip("pycocotools.mask")

H, W = 20, 30
CATEGORIES = [{"id": 44, "name": "Flasche"}, {"id": 3, "name": "car"}, {"id": 90, "name": "歯ブラシ"}]


def rectangle(left, top, right, bottom):
    return [[left, top, right, top, right, bottom, left, bottom]]


def run_lengths(pixels):
    """The run lengths of a bool array `(h, w)`, column by column, the first of zeros: COCO's uncompressed form."""
    counts, last = [0], False
    for value in pixels.T.ravel().tolist():
        if value != last:
            counts.append(0)
            last = value
        counts[-1] += 1
    return {"size": list(pixels.shape), "counts": counts}


@pytest.fixture
def coco(tmp_path):
    """A function that writes a file with one picture, some objects of it and changes, and opens it."""

    def make(objects, rows=None, unknown_id=None, **changes):
        Image.new("RGB", (W, H)).save(tmp_path / "a.jpg")
        entries = [
            {"id": 100 + i, "image_id": 7, "category_id": category, "segmentation": shape, "iscrowd": 0}
            for i, (category, shape) in enumerate(objects)
        ]
        image = {"id": 7, "file_name": "a.jpg", "height": H, "width": W}
        values = {"images": [image], "categories": CATEGORIES, "annotations": entries, **changes}
        (tmp_path / "instances.json").write_text(json.dumps(values))
        return CocoFile(tmp_path / "instances.json", tmp_path, rows, unknown_id)

    return make


def test_rectangles_and_the_order_of_areas(coco):
    # The small car is listed first and lies before the large bottle.
    example = coco([(3, rectangle(5, 5, 8, 9)), (44, rectangle(2, 3, 22, 13))]).read("a")
    label, instance = np.zeros((H, W), int), np.zeros((H, W), int)
    label[3:13, 2:22], instance[3:13, 2:22] = 2, 1  # categories sorted by id: car 1, Flasche 2
    label[5:9, 5:8], instance[5:9, 5:8] = 1, 2
    np.testing.assert_array_equal(example.label, label)
    np.testing.assert_array_equal(example.instance, instance)
    assert example.label.dtype == example.instance.dtype == np.int32
    assert example.photo.name == "a.jpg"


def test_equal_areas_are_painted_by_id(coco):
    label, _ = coco([(3, rectangle(0, 0, 4, 4)), (44, rectangle(2, 0, 6, 4))]).paint("a")
    assert label[0, :7].tolist() == [1, 1, 2, 2, 2, 2, 0]


def test_classes_are_the_categories_by_id(coco):
    expected = [(0, "background"), (1, "car"), (2, "Flasche"), (3, "歯ブラシ")]
    assert [(row.id, row.name) for row in coco([]).rows] == expected


def test_a_picture_without_objects_is_background(coco):
    label, instance = coco([]).paint("a")
    assert not label.any()
    assert not instance.any()


def test_one_object_of_two_parts(coco):
    _, instance = coco([(3, rectangle(0, 0, 2, 2) + rectangle(10, 10, 12, 12))]).paint("a")
    assert instance.sum() == 8
    assert instance[11, 11] == 1


def test_a_triangle_has_the_pixels_inside_it(coco):
    corners = [(2.5, 1.5), (27.3, 6.1), (9.7, 18.2)]
    label, _ = coco([(3, [[value for corner in corners for value in corner]])]).paint("a")
    # A pixel lies inside where it is on one side of all three edges; on the edges themselves rasterisers differ.
    y, x = np.mgrid[:H, :W] + 0.5
    edges = [
        ((x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)) / np.hypot(x2 - x1, y2 - y1)
        for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True)
    ]
    distance = np.min(edges, axis=0)
    assert label[distance > 0.75].all()
    assert not label[distance < -0.75].any()
    assert abs(label.sum() - (distance > 0).sum()) < 0.05 * label.sum()


@pytest.mark.parametrize("form", ["counts", "text"])
@pytest.mark.parametrize("density", [0.03, 0.5, 1.0])
def test_run_lengths(coco, form, density):
    pixels = np.random.default_rng(0).random((H, W)) < density
    shape = run_lengths(pixels)
    if form == "text":
        encoded = mask.encode(np.asfortranarray(pixels.astype(np.uint8)))
        shape = {"size": [H, W], "counts": encoded["counts"].decode()}
    label, _ = coco([(3, shape)]).paint("a")
    np.testing.assert_array_equal(label, pixels)


def test_what_lies_outside_of_the_picture_is_cut_off(coco):
    label, _ = coco(
        [(3, rectangle(-5, -5, 4, 3)), (44, rectangle(25, 15, 90, 90)), (90, rectangle(50, 50, 60, 60))]
    ).paint("a")
    expected = np.zeros((H, W), int)
    expected[:3, :4], expected[15:, 25:] = 1, 2
    np.testing.assert_array_equal(label, expected)


def test_given_classes(coco):
    rows = [ClassRow(5, "car"), ClassRow(8, "Flasche"), ClassRow(255, "void")]
    label, _ = coco([(3, rectangle(0, 0, 1, 1)), (44, rectangle(1, 0, 2, 1))], rows, 255).paint("a")
    assert label[0, :3].tolist() == [5, 8, 255]
    with pytest.raises(UserError, match=r"'background'.*car, Flasche, void"):
        coco([], rows)
    with pytest.raises(UserError, match="annotation 100: there is no class '歯ブラシ'"):
        coco([(90, rectangle(0, 0, 1, 1))], rows, 255).paint("a")


FULL = H * W
BAD_SHAPES = {
    "none": None,
    "box only": [],
    "two points": [[0, 0, 5, 5]],
    "odd": [[0, 0, 5, 5, 3, 3, 1]],
    "text": [["0", 0, 5, 5, 3, 3]],
    "not a number": [[float("nan"), 0, 5, 5, 3, 3]],
    "flat": [0, 0, 5, 5, 3, 3],
    "other size": {"size": [W, H], "counts": [FULL]},
    "too long": {"size": [H, W], "counts": [FULL - 1, 5]},
    "too short": {"size": [H, W], "counts": [5]},
    "negative": {"size": [H, W], "counts": [-1, FULL + 1]},
    "no counts": {"size": [H, W]},
    "damaged text": {"size": [H, W], "counts": "hello ~ wörld"},
    "endless text": {"size": [H, W], "counts": "o" * 50},
    "empty text": {"size": [H, W], "counts": ""},
}


@pytest.mark.parametrize("name", BAD_SHAPES)
def test_malformed_objects_are_named(coco, name):
    source = coco([(3, rectangle(0, 0, 3, 3)), (3, BAD_SHAPES[name])])
    with pytest.raises(UserError, match=r"instances\.json, annotation 101: expected a segmentation"):
        source.read("a")


IMAGE = {"id": 7, "file_name": "a.jpg", "height": H, "width": W}
BAD_FILES = {
    "no images": ({"images": None}, 'a list "images"'),
    "empty images": ({"images": []}, "expected images with an id each. Received: 0"),
    "image without a name": ({"images": [{"id": 1}]}, "entry 1 of images: expected file_name"),
    "annotation without an id": ({"annotations": [{"image_id": 7}]}, "entry 1 .*expected id and category_id"),
    "annotation is a number": ({"annotations": [7]}, "entry 1 of annotations"),
    "no categories": ({"categories": []}, "expected categories"),
    "a name twice": ({"categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]}, "of 2 ids and 1 names"),
    "an id twice": ({"images": [IMAGE, IMAGE | {"file_name": "b.jpg"}]}, "Received: 2, of 1 ids"),
    "a photo twice": ({"images": [IMAGE, IMAGE | {"id": 8, "file_name": "a.png"}]}, "one image of the name a"),
    "outside": ({"images": [IMAGE | {"file_name": "../a.jpg"}]}, "below the folder of photographs"),
    "absolute": ({"images": [IMAGE | {"file_name": "/a.jpg"}]}, "below the folder of photographs"),
    "a folder": ({"images": [IMAGE | {"file_name": "."}]}, "below the folder of photographs"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_malformed_files_are_refused(coco, name):
    changes, message = BAD_FILES[name]
    with pytest.raises(UserError, match=message) as caught:
        coco([], **changes)
    assert "instances.json" in str(caught.value)


@pytest.mark.parametrize("size", [{"height": None}, {"width": 0}, {"height": "20"}, {"height": 10**6, "width": 10**6}])
def test_pictures_of_no_size(coco, size):
    with pytest.raises(UserError, match=r"image 7 \(a\): expected height and width"):
        coco([], images=[IMAGE | size]).read("a")


def test_a_missing_photo_and_an_unknown_category(coco):
    with pytest.raises(UserError, match=r"image 7: expected its photograph at .*b\.jpg"):
        coco([], images=[IMAGE | {"file_name": "b.jpg"}]).read("b")
    with pytest.raises(UserError, match="annotation 100: there is no category 4"):
        coco([(4, rectangle(0, 0, 1, 1))]).read("a")


def test_no_json(tmp_path):
    (tmp_path / "a.json").write_text("")
    with pytest.raises(UserError, match=r"a\.json, line 1: expected JSON"):
        CocoFile(tmp_path / "a.json", tmp_path)


def test_without_pycocotools_the_extra_is_named(coco, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    with pytest.raises(UserError, match=r"\[annotations\]"):
        coco([])
