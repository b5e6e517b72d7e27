"""The generate command: pictures equal the model's own, for files, folders and the authors' weights."""

import shutil

import numpy as np
import pytest
from PIL import Image

from dagan_tf import generate
from dagan_tf.errors import UserError
from dagan_tf.networks.pytorch.files import write_state
from dagan_tf.runs.loading import load_model
from tests import golden


@pytest.fixture
def labels(tmp_path):
    """A folder with a palette PNG at the model's size, and a grey one of another size in a sub-folder."""
    folder = tmp_path / "labels"
    (folder / "deep").mkdir(parents=True)
    rng = np.random.default_rng(0)
    first, second = rng.integers(1, 13, (32, 32), dtype="uint8"), rng.integers(1, 13, (64, 96), dtype="uint8")
    palette = Image.new("P", (32, 32))
    palette.putpalette(rng.integers(0, 255, 768, dtype="uint8").tobytes())
    palette.putdata(first.ravel().tolist())
    palette.save(folder / "a.png")
    Image.fromarray(second).save(folder / "deep" / "b.png")
    return folder, first, second


def test_folder(finished_run, labels, tmp_path, capsys):
    folder, first, second = labels
    run = finished_run[0]
    assert generate.main(["--run", str(run.path), "--labels", str(folder), "--output", str(tmp_path / "out")]) == 0
    assert f"2 pictures of 32x32 (height x width) are in {tmp_path / 'out'}" in capsys.readouterr().out
    model, _, _ = load_model(run.path)
    resized = np.asarray(Image.fromarray(second).resize((32, 32), Image.Resampling.NEAREST))
    for name, label in (("a.png", first), ("deep/b.png", resized)):
        picture = np.asarray(Image.open(tmp_path / "out" / name)).astype(int)
        assert np.abs(picture - model.generate(label)).max() <= 1


def test_one_file(finished_run, labels, tmp_path):
    file = labels[0] / "a.png"
    flags = ["--run", str(finished_run[0].path), "--labels", str(file), "--output", str(tmp_path / "one")]
    assert generate.main(flags) == 0
    assert [p.name for p in (tmp_path / "one").iterdir()] == ["a.png"]


def test_the_authors_weights(tmp_path):
    write_state(tmp_path / "latest_net_G.npz", golden.reference_weights("generator"))
    values = golden.values()
    (tmp_path / "labels").mkdir()
    for i, label in enumerate(values["label"]):
        Image.fromarray(label).save(tmp_path / "labels" / f"{i}.png")
    flags = ["--weights", str(tmp_path / "latest_net_G.npz"), "--preset", "facades", "--image-size", "64"]
    folders = ["--labels", str(tmp_path / "labels"), "--output", str(tmp_path / "out")]
    assert generate.main([*flags, "--base-filters", "8", *folders]) == 0
    for i, image in enumerate(values["image_eval"]):
        picture = np.asarray(Image.open(tmp_path / "out" / f"{i}.png"))
        assert np.abs(picture - (image + 1) * 127.5).max() <= 0.51


def test_files_that_a_notebook_saved(finished_run, labels, tmp_path):
    model, _, _ = load_model(finished_run[0].path)
    model.save(tmp_path / "dagan.keras")
    model.ema_generator.save_weights(tmp_path / "g.weights.h5")
    size = ["--image-size", "32", "--base-filters", "4", "--spade-filters", "8"]
    expected = model.generate(labels[1])
    for name, flags in (("dagan.keras", []), ("g.weights.h5", ["--preset", "facades", *size])):
        out = tmp_path / name.replace(".", "-")
        file = str(labels[0] / "a.png")
        assert generate.main(["--weights", str(tmp_path / name), *flags, "--labels", file, "--output", str(out)]) == 0
        assert np.abs(np.asarray(Image.open(out / "a.png")).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("labels_are", ["folder", "file"])
def test_pictures_never_replace_label_maps(finished_run, labels, labels_are):
    folder, first, _ = labels
    given = folder if labels_are == "folder" else folder / "a.png"
    with pytest.raises(UserError, match="would replace the maps"):
        generate.main(["--run", str(finished_run[0].path), "--labels", str(given), "--output", str(folder)])
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "a.png")), first)


@pytest.mark.parametrize(
    "bad", ["missing", "no run", "no checkpoint", "no preset", "no weights", "model flags", "file in the way"]
)
def test_bad_input(finished_run, labels, tmp_path, bad):
    run, folder, output = finished_run[0].path, labels[0], tmp_path / "out"
    flags = ["--run", str(run), "--labels", str(folder), "--output", str(output)]
    if bad == "missing":
        flags[3], message = str(tmp_path / "nothing"), "nothing"
    elif bad == "no run":
        flags[1], message = str(tmp_path), "config.json"
    elif bad == "no checkpoint":
        shutil.copytree(run, tmp_path / "bare", ignore=shutil.ignore_patterns("checkpoints"))
        flags[1], message = str(tmp_path / "bare"), "There is no checkpoint"
    elif bad == "no preset":
        (tmp_path / "g.npz").touch()
        flags[:2], message = ["--weights", str(tmp_path / "g.npz")], "needs `preset`"
    elif bad == "no weights":
        flags[:2], message = ["--weights", str(tmp_path / "g.npz")], "where there is nothing"
    elif bad == "model flags":
        flags, message = [*flags, "--base-filters", "7"], "leave out `preset`"
    else:
        output.write_text("a file")
        flags[-1], message = str(output / "deep"), "folder that can be written.*Not a directory"
    with pytest.raises(UserError, match=message):
        generate.main(flags)
    assert not list(output.rglob(".*"))  # nothing half-written


def test_maps_that_cannot_be_read_are_named_and_the_others_drawn(finished_run, labels, tmp_path, capsys):
    folder, output = labels[0], tmp_path / "out"
    Image.fromarray(np.full((32, 32), 13, "uint8")).save(folder / "aa.png")
    (folder / "z.png").write_bytes(b"no picture")
    flags = ["--run", str(finished_run[0].path), "--labels", str(folder), "--output", str(output)]
    assert generate.main([*flags, "--batch-size", "2"]) == generate.INCOMPLETE == 1
    printed = capsys.readouterr()
    assert sorted(str(p.relative_to(output)) for p in output.rglob("*.png")) == ["a.png", "deep/b.png"]
    assert f"2 pictures of 32x32 (height x width) are in {output}" in printed.out
    assert f"error: {folder / 'aa.png'}: expected label ids" in printed.err
    assert f"error: {folder / 'z.png'}: expected a whole picture" in printed.err
    assert "2 of 4 label maps could not be read" in printed.err


def test_pictures_that_are_there_are_skipped(finished_run, labels, tmp_path, capsys):
    folder, output = labels[0], tmp_path / "out"
    (output / "deep").mkdir(parents=True)
    (output / "deep" / "b.png").write_text("there already")
    flags = ["--run", str(finished_run[0].path), "--labels", str(folder), "--output", str(output), "--skip-existing"]
    assert generate.main(flags) == 0
    assert "1 pictures of 32x32 (height x width)" in capsys.readouterr().out
    assert (output / "deep" / "b.png").read_text() == "there already"
    assert generate.main(flags) == 0
    assert "0 pictures of 32x32 (height x width)" in (out := capsys.readouterr().out)
    assert "(2 more were there already)" in out


def test_several_files_and_one_picture(finished_run, labels, tmp_path):
    folder = labels[0]
    files = [str(folder / "a.png"), str(folder / "deep" / "b.png")]
    start = ["--run", str(finished_run[0].path), "--labels"]
    assert generate.main([*start, *files, "--output", str(tmp_path / "two")]) == 0
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == ["a.png", "b.png"]
    assert generate.main([*start, files[1], "--output", str(tmp_path / "new" / "picture.png")]) == 0
    one, two = (np.asarray(Image.open(tmp_path / name)).astype(int) for name in ("new/picture.png", "two/b.png"))
    assert np.abs(one - two).max() <= 1
