"""The check command: exit statuses, what it prints and writes, what its arguments mean, and Ctrl-C."""

import json
import os
import signal
import subprocess
import sys

import pytest
from PIL import Image

from dagan_tf import check
from dagan_tf.errors import UserError
from tests.data.inspection.folders import blocks, cut, photo, write_pairs
from tests.helpers import FACADES_FOLDER, ROOT, run_python

CLASSES = ["--num-classes", "3", "--image-size", "32"]


def resolve(*flags):
    return check.resolve(check.parser().parse_args(flags))


def test_good_data(tmp_path, capsys):
    assert check.main([str(write_pairs(tmp_path)), *CLASSES]) == 0
    out = capsys.readouterr().out
    assert "train: 6 examples; height x width: smallest 24x32" in out
    assert "nothing is wrong" in out
    assert "at batch 4 that feeds" in out


def test_warnings_and_errors(tmp_path, capsys):
    assert check.main([str(write_pairs(tmp_path)), "--num-classes", "4", "--image-size", "32"]) == 1
    assert "warning: No pixel of the training examples has the class 3" in capsys.readouterr().out
    assert check.main([str(tmp_path), "--num-classes", "2", "--image-size", "32"]) == 2
    assert "give it as --unknown-id, and one more as --num-classes" in capsys.readouterr().out
    cut(tmp_path / "images/003.jpg")
    for flags in ([], ["--quick"]):
        assert check.main([str(tmp_path), *CLASSES, *flags]) == 2
        assert f"error: {tmp_path / 'images/003.jpg'}" in capsys.readouterr().out


def test_unpaired_files_do_not_end_it(tmp_path, capsys):
    write_pairs(tmp_path)
    (tmp_path / "images/003.jpg").unlink()
    assert check.main([str(tmp_path), *CLASSES]) == 2
    out = capsys.readouterr().out
    assert "label maps without photo (003)" in out
    assert "train: 5 examples" in out


def test_reports_are_written_and_replaced(tmp_path, capsys):
    output = tmp_path / "out"
    for name, status in (("a", 0), ("b", 2)):
        root = write_pairs(tmp_path / name)
        if status:
            cut(root / "images/003.jpg")
        assert check.main([str(root), *CLASSES, "--output", str(output)]) == status
        report = json.loads((output / "report.json").read_text())
        assert (report["status"], report["data"]["data_dir"]) == (status, str(root))
        assert str(root) in (output / "report.html").read_text()
    assert sorted(path.name for path in output.iterdir()) == ["report.html", "report.json"]
    assert "report.html is in" in capsys.readouterr().err


def test_classes_that_nobody_named(tmp_path, capsys):
    assert check.main([str(write_pairs(tmp_path))]) == 0
    out = capsys.readouterr().out
    assert (
        f"python -m dagan_tf.train --dataset folder --data-dir {tmp_path} --num-classes 3 --image-size 256x256" in out
    )


def test_label_maps_and_photos_in_one_folder(tmp_path):
    for index in range(3):
        Image.fromarray(blocks(index)).save(tmp_path / f"{index}.png")
        Image.fromarray(photo(index)).save(tmp_path / f"{index}.jpg")
    plan = resolve(str(tmp_path))
    assert (plan.data.dataset, plan.data.label_dir, plan.data.image_dir) == ("folder", str(tmp_path), str(tmp_path))
    assert check.main([str(tmp_path), *CLASSES]) == 0


def test_what_the_arguments_mean(tmp_path):
    plan = resolve("cityscapes", "--data-dir", "/x")
    assert (plan.data.dataset, plan.data.data_dir, plan.labels.num_classes) == ("cityscapes", "/x", 35)
    assert (plan.image_size, plan.batch_size) == ((256, 512), 8)
    assert resolve("--preset", "ade20k").data.dataset == "ade20k"
    plan = resolve("procedural", "--num-examples", "7", "--image-size", "64", "--batch-size", "2")
    assert (plan.data.num_examples, plan.labels.num_classes, plan.image_size, plan.batch_size) == (7, 13, (64, 64), 2)
    own = str(write_pairs(tmp_path, 1))
    plan = resolve(own, "--preset", "ade20k")
    assert (plan.data.data_dir, plan.labels.unknown_id, plan.model.num_classes) == (own, 0, 151)
    plan = resolve("--dataset", "folder", "--label-dir", "/a", "--image-dir", "/b", "--image-size", "64x128")
    assert (plan.labels, plan.image_size, plan.data.image_dir) == (None, (64, 128), "/b")
    plan = resolve(own, "--num-classes", "5", "--unknown-id", "255")
    assert (plan.labels.ids, plan.model.num_classes) == ((0, 1, 2, 3, 255), 5)


def test_classes_of_a_file(tmp_path):
    root = write_pairs(tmp_path / "data", 1)
    table = tmp_path / "classes.csv"
    table.write_text("id,name\n0,sky\n1,wall\n255,none\n")
    plan = resolve(str(root), "--classes", str(table))
    assert (plan.labels.ids, plan.labels.class_names) == ((0, 1, 255), ("sky", "wall", "none"))
    (root / "dataset.json").write_text('{"classes": [{"id": 0, "name": "sea"}, {"id": 1, "name": "land"}]}')
    plan = resolve(str(root))
    assert (plan.labels.class_names, plan.model.num_classes) == (("sea", "land"), 2)
    assert resolve(str(root), "--preset", "facades").labels.class_names == ("sea", "land")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["there is no such thing"], "Received neither"),
        ([], "Received: neither"),
        (["facades", "--dataset", "folder"], "leave out `dataset`"),
        (["folder", "--data-dir", "x", "--unknown-id", "255"], "belong to `num_classes`"),
        (["folder"], "needs `label_dir`"),
        (["facades", "--num-classes", "13", "--unknown-id", "3"], "`unknown_id` must be none"),
    ],
)
def test_arguments_that_cannot_be_used(flags, words):
    with pytest.raises(UserError, match=words):
        resolve(*flags)


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(UserError, match="labels and images"):
        resolve(str(tmp_path))


def test_an_error_is_a_sentence_and_status_2():
    command = [sys.executable, "-m", "dagan_tf.check", "nowhere"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: Expected the name of a data set")


def test_no_tensorflow_for_folders(tmp_path):
    script = (
        "import sys; from dagan_tf import check\n"
        f"status = check.main([{str(write_pairs(tmp_path))!r}, '--num-classes', '3', '--image-size', '32'])\n"
        "sys.exit(status or 'tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert "nothing is wrong" in run_python(script)


def test_ctrl_c_leaves_no_report(tmp_path, monkeypatch, capsys):
    class Interrupted(check.cli.Progress):
        def __call__(self, done, total):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(check.cli, "Progress", Interrupted)
    output = tmp_path / "out"
    with pytest.raises(SystemExit) as stopped:
        check.main(["procedural", "--num-examples", "500", "--image-size", "32", "--output", str(output)])
    assert stopped.value.code == 130
    assert "stopped by SIGINT" in capsys.readouterr().err
    assert not output.exists()


def test_the_real_facades(capsys):
    if not FACADES_FOLDER.is_dir():
        pytest.skip("no facades beside the project")
    assert check.main(["facades", "--data-dir", str(FACADES_FOLDER), "--quick"]) == 0
    assert "nothing is wrong" in capsys.readouterr().out
