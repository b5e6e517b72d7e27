"""The prepare command: each kind of source to a folder with known pixels, what it prints, statuses, signals."""

import base64
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from dagan_tf import prepare, train
from dagan_tf.data.description import read_classes
from dagan_tf.errors import UserError
from dagan_tf.labels import LabelSpec
from tests.helpers import ROOT

H, W = 20, 30
BOX = np.zeros((H, W), int)
BOX[5:11, 4:9] = 1


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def photo():
    return np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def run(capsys, *flags):
    """The command's exit status and what it printed."""
    status = prepare.main([str(flag) for flag in flags])
    return status, capsys.readouterr()


@pytest.fixture
def labelme(tmp_path):
    """A folder of LabelMe files, each with one rectangle: `a` embeds its photo, `b` has it beside."""
    values = {"imageHeight": H, "imageWidth": W, "imagePath": "b.jpg"}
    values["shapes"] = [{"label": "Tür", "points": [[4, 5], [8, 10]], "shape_type": "rectangle"}]
    file = io.BytesIO()
    Image.fromarray(photo()).save(file, format="JPEG")
    folder = tmp_path / "labelme"
    save(folder / "b.jpg", photo())
    (folder / "a.json").write_text(json.dumps({**values, "imageData": base64.b64encode(file.getvalue()).decode()}))
    (folder / "b.json").write_text(json.dumps({**values, "imageData": None}))
    return folder


@pytest.fixture
def pairs(tmp_path):
    """Three label maps with ids 0 and 1, and 255 in one of them, with photographs."""
    for name in "abc":
        save(tmp_path / f"labels/{name}.png", (BOX + 254 * BOX * (name == "a")).astype(np.uint8))
        save(tmp_path / f"photos/{name}.png", photo())
    return "--label-dir", tmp_path / "labels", "--image-dir", tmp_path / "photos"


@pytest.fixture
def coco(tmp_path):
    """A COCO file about the photographs of `pairs` whose only category is a box in each."""
    images = [{"id": i, "file_name": f"{name}.png", "height": H, "width": W} for i, name in enumerate("abc")]
    box = [[4, 5, 9, 5, 9, 11, 4, 11]]
    annotations = [{"id": i, "image_id": i, "category_id": 62, "segmentation": box} for i in range(3)]
    values = {"images": images, "annotations": annotations, "categories": [{"id": 62, "name": "chair"}]}
    (tmp_path / "instances.json").write_text(json.dumps(values))
    return tmp_path / "instances.json"


def test_labelme(labelme, tmp_path, capsys):
    out = tmp_path / "my data"
    status, printed = run(capsys, "--labelme", labelme, "--output", out)
    assert status == 0
    for name in "ab":
        np.testing.assert_array_equal(pixels(out / f"labels/{name}.png"), BOX)
        np.testing.assert_array_equal(pixels(out / f"instances/{name}.png"), BOX)
    assert (
        (out / "images/b.jpg").read_bytes() == (labelme / "b.jpg").read_bytes() == (out / "images/a.jpg").read_bytes()
    )
    assert read_classes(out / "dataset.json") == LabelSpec(2, class_names=("background", "Tür"))
    assert "label maps, photographs and instance maps of 2 pictures. " in printed.out
    assert "     1   5.000%  Tür\n" in printed.out  # 5 x 6 of 20 x 30 pixels
    assert f"\n  python -m dagan_tf.check '{out}'\n" in printed.out


def test_the_next_command_is_understood_by_train(labelme, tmp_path, capsys):
    _, printed = run(capsys, "--labelme", labelme, "--output", tmp_path / "out")
    words = shlex.split(next(line for line in printed.out.splitlines() if "dagan_tf.train" in line))
    assert words[:3] == ["python", "-m", "dagan_tf.train"]
    parsed = vars(train.parser().parse_args(words[3:]))
    assert parsed["DataConfig.data_dir"] == str(tmp_path / "out")


def test_label_maps_with_a_table_and_a_share_to_validate(pairs, tmp_path, capsys):
    (tmp_path / "classes.csv").write_text("id;name;r;g;b\n0;wall;9;9;9\n1;door;8;8;8\n7;roof;7;7;7\n")
    flags = (*pairs, "--classes", tmp_path / "classes.csv", "--unknown-id", 255, "--val-share", 0.34)
    status, printed = run(capsys, *flags, "--output", tmp_path / "out")
    assert status == 0
    assert "label maps and photographs of 3 pictures (2 to train on, 1 to validate with). " in printed.out
    names = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    assert len(names) == 6
    assert all(name.split("/")[1] in ("train", "val") for name in names)
    spec = read_classes(tmp_path / "out/dataset.json")
    assert spec.class_names == ("wall", "door", "roof", "unlabelled")
    assert spec.ids == (0, 1, 2, 3)
    assert "     2   0.000%  roof (was 7)\n" in printed.out
    assert "     3   1.667%  unlabelled (was 255), means unlabelled\n" in printed.out


def test_coco(pairs, coco, tmp_path, capsys):
    pytest.importorskip("pycocotools")
    assert run(capsys, "--coco", coco, *pairs[2:], "--output", tmp_path / "out")[0] == 0
    np.testing.assert_array_equal(pixels(tmp_path / "out/labels/c.png"), BOX)
    assert read_classes(tmp_path / "out/dataset.json").class_names == ("background", "chair")


def test_label_maps_with_the_objects_of_coco(pairs, coco, tmp_path, capsys):
    pytest.importorskip("pycocotools")
    assert run(capsys, "--coco", coco, *pairs, "--output", tmp_path / "out")[0] == 0
    np.testing.assert_array_equal(pixels(tmp_path / "out/labels/a.png"), BOX * 255)
    np.testing.assert_array_equal(pixels(tmp_path / "out/instances/a.png"), BOX * 1000)
    assert read_classes(tmp_path / "out/dataset.json") == LabelSpec(3, unknown_id=255)


def test_the_real_coco_stuff_maps_stay_as_they_are(tmp_path, capsys):
    folder = ROOT.parent / "shared/data/coco_stuff"
    if not folder.is_dir():
        pytest.skip("COCO-Stuff is not beside this checkout (../shared/data/coco_stuff)")
    rows = "".join(f"{i},class {i}\n" for i in [*range(182), 255])
    (tmp_path / "classes.csv").write_text("id,name\n" + rows)
    flags = ("--label-dir", folder / "train_label", "--image-dir", folder / "train_img")
    flags = (*flags, "--instance-dir", folder / "train_inst", "--classes", tmp_path / "classes.csv")
    assert run(capsys, *flags, "--output", tmp_path / "out")[0] == 0
    assert len(list((tmp_path / "out/images").iterdir())) == 13
    for path in (tmp_path / "out/labels").iterdir():
        np.testing.assert_array_equal(pixels(path), pixels(folder / "train_label" / path.name))


def test_bad_pictures_end_it_or_are_left_out(pairs, tmp_path, capsys):
    (tmp_path / "photos/b.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"1 of 3 that cannot be used:\n  b: [^\n]*\n.*`skip_bad`"):
        run(capsys, *pairs, "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    status, printed = run(capsys, *pairs, "--skip-bad", "--output", tmp_path / "out")
    assert status == 1
    assert "left out b: " in printed.err
    assert "of 2 pictures. " in printed.out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "one of `labelme`, `coco` and `label_dir`. Received: none"),
        (["--labelme", "x", "--coco", "y", "--image-dir", "z"], "one of `labelme`, `coco`"),
        (["--labelme", "x", "--label-dir", "y", "--image-dir", "z"], "one of `labelme`, `coco`"),
        (["--labelme", "x", "--image-dir", "z"], "`image_dir` belongs to"),
        (["--label-dir", "x"], "`image_dir` belongs to"),
        (["--coco", "x"], "`image_dir` belongs to"),
        (["--coco", "x", "--image-dir", "y", "--instance-dir", "z"], "`instance_dir` belongs to"),
        (["--labelme", "x", "--unknown-id", "3"], "`unknown_id` must be a class of `classes`"),
        (["--label-dir", "x", "--image-dir", "y"], "no such folder"),
        (["--label-dir", "x", "--image-dir", "y", "--classes", "none.csv"], "none.csv"),
    ],
)
def test_what_flags_do_not_describe(tmp_path, monkeypatch, flags, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        prepare.main([*flags, "--output", "out"])
    assert list(tmp_path.iterdir()) == []


def test_the_place_is_looked_at_first(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "file", tmp_path / "file/out"):
        with pytest.raises(UserError, match=r"Expected a (new or empty )?folder"):
            prepare.main(["--labelme", str(tmp_path / "missing"), "--output", str(place)])


@pytest.mark.parametrize("share", ["1", "-0.1", "much"])
def test_shares_that_are_none(share, capsys):
    with pytest.raises(SystemExit) as caught:
        prepare.main(["--labelme", "x", "--output", "y", "--val-share", share])
    assert caught.value.code == 2
    assert "--val-share" in capsys.readouterr().err


def command(*flags):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "dagan_tf.prepare", *map(str, flags)]
    return subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_process_of_its_own_names_flags_and_exits_with_2(pairs, tmp_path):
    save(tmp_path / "labels/d.png", BOX.astype(np.uint8))
    process = command(*pairs, "--output", tmp_path / "out")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out == ""
    assert err.startswith("error: Expected pictures")
    assert "d.png: expected a photo of the same name" in err
    assert "Or leave them out with --skip-bad." in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_process_leaves_nothing(tmp_path, number, status):
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), np.uint8)
    label = save(tmp_path / "labels/0.png", noise[:, :, 0])
    image = save(tmp_path / "photos/0.png", noise, compress_level=0)
    for i in range(1, 60):
        (tmp_path / f"labels/{i}.png").symlink_to(label)
        (tmp_path / f"photos/{i}.png").symlink_to(image)
    flags = ("--label-dir", tmp_path / "labels", "--image-dir", tmp_path / "photos", "--output", tmp_path / "out")
    process = command(*flags)
    deadline = time.monotonic() + 30
    while not any(tmp_path.glob(".out.*/images")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels", "photos"]


def test_the_help_needs_no_keras():
    words = "import sys, dagan_tf.prepare, dagan_tf.data.preparation, dagan_tf.data.annotations.labelme;"
    script = f"{words} print([m for m in ('tensorflow', 'keras', 'pycocotools') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True
    )
    assert done.stdout.decode().strip() == "[]", done.stderr
