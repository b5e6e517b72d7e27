"""LabelMe's annotations, against pixels that are known, distances to centres and lines, and COCO's rasteriser."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from dagan_tf.data.annotations.labelme import LabelMeFolder
from dagan_tf.data.description import ClassRow
from dagan_tf.errors import UserError

H, W = 40, 60
Y, X = np.mgrid[:H, :W]


def shape(label, points, kind="polygon", **others):
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, "flags": {}, **others}


def png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, format="PNG")
    return file.getvalue()


def in_base64(data):
    return base64.b64encode(data).decode()


@pytest.fixture
def annotate(tmp_path):
    """A function that writes a LabelMe file beside its photo, with changes."""

    def write(shapes, name="a", **changes):
        path = tmp_path / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (W, H)).save(path.with_suffix(".jpg"))
        size = {"imageHeight": H, "imageWidth": W}
        values = {"version": "5.4.1", "shapes": shapes, "imagePath": f"{path.stem}.jpg", "imageData": None, **size}
        path.write_text(json.dumps({**values, **changes}, ensure_ascii=False), encoding="utf-8")
        return tmp_path

    return write


def opened(folder, rows=None, unknown_id=None):
    source = LabelMeFolder(folder, rows, unknown_id)
    if rows is None:
        source.settle(set().union(*map(source.find, source.names)))
    return source


def painted(annotate, *shapes):
    """The label map of one picture whose shapes are all of class 1."""
    return opened(annotate([shape("a", *each) for each in shapes])).read("a").label


def test_rectangles_have_their_edges_and_later_shapes_lie_over_earlier_ones(annotate):
    shapes = [
        shape("window", [[10, 5], [30, 20]], "rectangle"),
        shape("door", [[20, 30], [15, 10]], "rectangle"),  # from the lower right to the upper left
        shape("window", [[40, 30], [41, 31]], "rectangle"),
    ]
    example = opened(annotate(shapes)).read("a")
    label, instance = np.zeros((H, W), int), np.zeros((H, W), int)
    label[5:21, 10:31], instance[5:21, 10:31] = 2, 1  # names sorted: door 1, window 2
    label[10:31, 15:21], instance[10:31, 15:21] = 1, 2
    label[30:32, 40:42], instance[30:32, 40:42] = 2, 3
    np.testing.assert_array_equal(example.label, label)
    np.testing.assert_array_equal(example.instance, instance)
    assert example.label.dtype == example.instance.dtype == np.int32
    assert example.photo.name == "a.jpg"


def test_shapes_of_one_group_are_one_instance(annotate):
    corners = [[[0, 0], [1, 1]], [[10, 0], [11, 1]], [[20, 0], [21, 1]], [[30, 0], [31, 1]]]
    labels = [("a", 1), ("a", None), ("b", 1), ("a", 1)]
    shapes = [
        shape(label, points, "rectangle", group_id=group)
        for points, (label, group) in zip(corners, labels, strict=True)
    ]
    assert opened(annotate(shapes)).read("a").instance[0, [0, 10, 20, 30, 40]].tolist() == [1, 2, 3, 1, 0]


def test_a_triangle_against_coco_and_geometry(annotate):
    mask = pytest.importorskip("pycocotools.mask")
    corners = [(5.0, 3.0), (52.0, 12.0), (20.0, 35.0)]
    ours = painted(annotate, (corners,)) > 0
    flat = [value for corner in corners for value in corner]
    theirs = mask.decode(mask.merge(mask.frPyObjects([flat], H, W))) > 0
    edges = [
        ((x2 - x1) * (Y - y1) - (y2 - y1) * (X - x1)) / np.hypot(x2 - x1, y2 - y1)
        for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True)
    ]
    distance = np.min(edges, axis=0)
    assert ours[distance >= 0.5].all()
    assert not ours[distance < -1].any()
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.9  # COCO leaves out edges, LabelMe has them


def test_a_polygon_without_a_type_is_a_polygon(annotate):
    old = shape("a", [[1, 1], [4, 1], [4, 3], [1, 3]])
    del old["shape_type"], old["group_id"]
    assert opened(annotate([old])).read("a").label.sum() == 4 * 3


def test_circles_and_points_are_discs(annotate):
    label = painted(annotate, ([[30, 20], [30, 28]], "circle"))
    distance = np.hypot(X - 30, Y - 20)
    assert label[distance <= 7].all()
    assert not label[distance >= 9].any()
    point = painted(annotate, ([[20, 20]], "point"))
    distance = np.hypot(X - 20, Y - 20)
    assert point[distance <= 4].all()
    assert not point[distance >= 6].any()


@pytest.mark.parametrize("kind", ["line", "linestrip"])
def test_lines_are_ten_pixels_wide(annotate, kind):
    points = [[10, 20], [50, 20]] if kind == "line" else [[10, 20], [30, 20], [50, 20]]
    label = painted(annotate, (points, kind))
    assert label[:, 15:45].sum(0).tolist() == [10] * 30
    assert label[16:24, 12:48].all()
    assert not label[:, :9].any()
    assert not label[:, 52:].any()


@pytest.mark.parametrize(("left", "top"), [(7, 9), (-3, -2), (55, 36), (100, 100), (-50, 0)])
def test_masks(annotate, left, top):
    pixels = np.random.default_rng(0).random((8, 9)) < 0.5
    points = [[left + 0.2, top - 0.2], [left + 8.2, top + 6.8]]
    example = opened(annotate([shape("a", points, "mask", mask=in_base64(png(pixels)))])).read("a")
    expected = np.zeros((H + 200, W + 200), int)
    expected[100 + top : 108 + top, 100 + left : 109 + left] = pixels
    np.testing.assert_array_equal(example.label, expected[100 : 100 + H, 100 : 100 + W])


def test_what_lies_outside_of_the_picture_is_cut_off(annotate):
    label = painted(annotate, ([[-30, -30], [4, -30], [4, 2], [-30, 2]],), ([[58, 38], [500, 500]], "rectangle"))
    expected = np.zeros((H, W), int)
    expected[:3, :5], expected[38:, 58:] = 1, 1
    np.testing.assert_array_equal(label, expected)
    assert not painted(annotate, ([[-9, -9], [-5, -9], [-5, -5]],)).any()


def test_classes_are_the_sorted_names_of_all_files(annotate):
    annotate([shape("Tür", [[0, 0], [1, 1]], "rectangle"), shape("_background_", [[0, 0], [0, 0]], "rectangle")])
    source = opened(annotate([shape("空", [[0, 0], [1, 1]], "rectangle"), shape("b", [[5, 5]], "point")], "deep/ü"))
    assert source.names == ["a", "deep/ü"]
    assert source.rows == (ClassRow(0, "background"), ClassRow(1, "Tür"), ClassRow(2, "b"), ClassRow(3, "空"))
    assert source.read("a").label[:2, :2].tolist() == [[0, 1], [1, 1]]


def test_given_classes(annotate):
    folder = annotate([shape("door", [[0, 0], [1, 1]], "rectangle")])
    (folder / "dataset.json").write_text("{}")  # which is no picture
    rows = (ClassRow(7, "door"), ClassRow(3, "_background_"))
    assert opened(folder, rows).read("a").label[1, :3].tolist() == [7, 7, 3]
    assert opened(folder, (ClassRow(7, "door"), ClassRow(255, "void")), 255).read("a").label[1, 2] == 255
    with pytest.raises(UserError, match=r"'background'.*`unknown_id`"):
        LabelMeFolder(folder, (ClassRow(7, "door"),))
    with pytest.raises(UserError, match="`classes` without names"):
        LabelMeFolder(folder, (ClassRow(0), ClassRow(1)))
    with pytest.raises(
        UserError, match=r"shape 1 \(door\): there is no class 'door' in .classes., which has background"
    ):
        opened(folder, (ClassRow(0, "background"),)).read("a")


def test_hidden_files_do_not_count_and_links_do(annotate, tmp_path_factory):
    folder = annotate([], name="a")
    annotate([], name=".trash/b")
    annotate([], name=".c")
    other = tmp_path_factory.mktemp("other")
    (other / "d.json").write_text("{}")
    (folder / "linked").symlink_to(other)
    assert LabelMeFolder(folder).names == ["a", "linked/d"]


def test_the_embedded_photo_comes_first(annotate):
    data = png(np.zeros((H, W, 3), np.uint8))
    assert opened(annotate([], imageData=in_base64(data), imagePath="gone.jpg")).read("a").photo == data


def test_paths_that_windows_wrote(annotate):
    folder = annotate([], imagePath="..\\photos\\a.png", name="json/a")
    (folder / "photos").mkdir()
    (folder / "photos/a.png").write_bytes(png(np.zeros((H, W), np.uint8)))
    assert opened(folder).read("json/a").photo.resolve() == (folder / "photos/a.png").resolve()


BAD_SHAPES = {
    "two points": (shape("a", [[0, 0], [1, 1]]), "expected a polygon of at least 3 points. Received: 2"),
    "three corners": (shape("a", [[0, 0], [1, 1], [2, 2]], "rectangle"), "a rectangle of 2 points. Received: 3"),
    "a circle of one": (shape("a", [[0, 0]], "circle"), "a circle of 2 points. Received: 1"),
    "no points": (shape("a", None), "Received: 0"),
    "flat": (shape("a", [1, 2, 3]), r"points as \[x, y\] in pixels. Received: 1"),
    "text": (shape("a", [["0", 0], [1, 1], [2, 2]]), "points as"),
    "not a number": (shape("a", [[float("nan"), 0], [1, 1], [2, 2]]), "points as"),
    "far away": (shape("a", [[1e30, 0], [1, 1], [2, 2]]), "points as"),
    "three numbers": (shape("a", [[0, 0, 0], [1, 1], [2, 2]]), "points as"),
    "unknown": (shape("a", [[0, 0], [1, 1]], "star"), "expected a shape of polygon, .*mask. Received: 'star'"),
    "a mask without": (shape("a", [[0, 0], [1, 1]], "mask"), "expected the mask as PNG in base64"),
    "a mask of text": (shape("a", [[0, 0], [1, 1]], "mask", mask="???"), "expected the mask as PNG in base64"),
    "a mask of nothing": (shape("a", [[0, 0], [1, 1]], "mask", mask=in_base64(b"GIF")), "expected the mask as PNG"),
    "a mask as list": (shape("a", [[0, 0], [1, 1]], "mask", mask=[1]), "expected the mask as PNG"),
}


@pytest.mark.parametrize("name", BAD_SHAPES)
def test_malformed_shapes_are_named(annotate, name):
    bad, message = BAD_SHAPES[name]
    source = opened(annotate([shape("a", [[0, 0], [1, 1]], "rectangle"), bad]))
    with pytest.raises(UserError, match=message) as caught:
        source.read("a")
    assert "a.json, shape 2 (a): " in str(caught.value)


BAD_FILES = {
    "no shapes": ({"shapes": None}, 'a file of LabelMe, with "shapes"'),
    "shapes of text": ({"shapes": ["a"]}, 'a file of LabelMe, with "shapes"'),
    "no label": ({"shapes": [{"points": []}]}, "shape 1: expected a label. Received: None"),
    "empty label": ({"shapes": [{"label": " "}]}, "shape 1: expected a label"),
    "no size": ({"imageHeight": None}, "imageHeight and imageWidth: expected height and width .*Received: None and 60"),
    "negative": ({"imageWidth": -1}, "expected height and width"),
    "too large": ({"imageWidth": 10**12}, "expected height and width"),
    "no photo": ({"imagePath": "b.jpg"}, r"expected its photograph at .*b\.jpg. Received: no such file"),
    "no photo named": ({"imagePath": None}, "expected imageData or imagePath"),
    "photo is no base64": ({"imageData": "???"}, "expected imageData in base64"),
    "photo is a number": ({"imageData": 5}, "expected imageData in base64"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_malformed_files_are_named(annotate, name):
    changes, message = BAD_FILES[name]
    with pytest.raises(UserError, match=message) as caught:
        opened(annotate(**{"shapes": [], **changes})).read("a")
    assert "a.json" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: expected JSON"),
        (b"[1]", "expected a JSON object"),
        (b'{"\xff": 1}', "UTF-8. Received: byte 0xff"),
    ],
)
def test_files_that_are_no_json(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=message):
        LabelMeFolder(tmp_path).find("a")


def test_folders_without_files(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UserError, match="Expected LabelMe's files"):
            LabelMeFolder(folder)
