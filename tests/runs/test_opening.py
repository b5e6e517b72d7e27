"""How runs begin: what a preset and changes come to, and what a run that goes on may differ in."""

import pytest

from dagan_tf.config import DataConfig, LabelSpec, TrainConfig
from dagan_tf.data.description import write_classes
from dagan_tf.errors import UserError
from dagan_tf.runs import opening
from dagan_tf.runs.folder import Run
from tests.helpers import tiny_config

PAIRS = {"dataset": "folder", "label_dir": "/data/a", "image_dir": "/data/b"}


def test_changes_override_the_preset():
    changes = {"model": {"base_filters": 32}, "train": {"batch_size": 2}, "labels": {"first_id": 7}, "data": PAIRS}
    config = opening.configure("ade20k", changes)
    assert (config.model.num_classes, config.model.base_filters) == (151, 32)
    assert (config.train.batch_size, config.train.epochs) == (2, 100)
    assert (config.labels.first_id, config.labels.unknown_id) == (7, 0)
    assert config.data == DataConfig(**PAIRS)


def test_preset_and_data_set_are_of_one_name_where_one_is_given():
    assert opening.configure() == opening.configure("facades")
    assert opening.configure().data == DataConfig()
    assert opening.configure("cityscapes").data == DataConfig("cityscapes")
    assert opening.configure("cityscapes") == opening.configure(changes={"data": {"dataset": "cityscapes"}})
    assert opening.configure(changes={"data": {"dataset": "procedural"}}).model == opening.configure().model
    changes = {"data": {**PAIRS, "instance_dir": "/data/c"}}
    assert opening.configure("cityscapes", changes).data == DataConfig(**changes["data"])


def test_own_classes_lose_the_presets_names_and_colours():
    config = opening.configure("facades", {"model": {"num_classes": 5}})
    assert (config.model.num_classes, config.labels.num_classes, config.labels.palette) == (5, 5, ())


def test_own_pairs_need_their_number_of_classes():
    config = opening.configure(changes={"data": PAIRS, "model": {"num_classes": 7}})
    assert (config.model.num_classes, config.labels.num_classes, config.model.image_size) == (7, 7, (256, 256))
    with pytest.raises(UserError, match="`num_classes`"):
        opening.configure(changes={"data": PAIRS})


def test_a_file_describes_own_classes(tmp_path):
    (tmp_path / "labels").mkdir()
    pairs = {"dataset": "folder", "label_dir": str(tmp_path / "labels"), "image_dir": str(tmp_path / "photos")}
    table = tmp_path / "classes.csv"
    table.write_text("id,name,r,g,b\n0,road,1,2,3\n1,tree,4,5,6\n255,other,7,8,9\n")
    colours = ((1, 2, 3), (4, 5, 6), (7, 8, 9))
    expected = LabelSpec(3, unknown_id=255, class_names=("road", "tree", "other"), palette=colours)
    given = opening.configure(changes={"data": pairs}, classes=table)
    assert (given.labels, given.model.num_classes) == (expected, 3)
    assert opening.configure("ade20k", {"data": pairs}, table).labels == expected
    write_classes(tmp_path / "dataset.json", expected)  # beside the label maps: found without being named
    assert opening.configure(changes={"data": pairs}) == given
    with pytest.raises(UserError, match=r"has 3 of them\. Received: `num_classes` 4"):
        opening.configure(changes={"data": pairs, "model": {"num_classes": 4}})
    run = Run(tmp_path / "run")
    run.write_config(given)
    (tmp_path / "dataset.json").unlink()
    assert opening.resume(run.path)[1] == given
    assert opening.resume(run.path, changes={"data": pairs}, classes=table)[1] == given


def test_paths_are_kept_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    changes = {"model": {"num_classes": 3}, "data": {"dataset": "folder", "label_dir": "a", "image_dir": "~/b"}}
    data = opening.configure(changes=changes).data
    assert (data.label_dir, data.image_dir) == (str(tmp_path / "a"), "/home/somebody/b")


def test_relative_paths_of_older_runs_are_tried_from_the_run_too(tmp_path, monkeypatch):
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    (project / "data" / "labels").mkdir(parents=True)
    elsewhere.mkdir()
    saved = tiny_config().replace(data=DataConfig(**{**PAIRS, "label_dir": "data/labels"}))
    Run(project / "runs" / "first").write_config(saved)
    monkeypatch.chdir(elsewhere)
    data = opening.resume(project / "runs" / "first")[1].data
    assert (data.label_dir, data.image_dir) == (str(project / "data/labels"), "/data/b")


def test_a_place_that_cannot_be_written_is_refused_before_anything_begins(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Expected a folder that can be written at"):
        opening.begin(tiny_config(), tmp_path / "file" / "run")


def test_a_new_run_gets_a_folder_named_after_its_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = opening.begin(tiny_config())
    assert run.path.parent.name == "runs"
    assert run.path.name.startswith("procedural-")
    assert not run.path.exists()
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}')
    with pytest.raises(UserError, match=r"the same run folder.*give `run_dir`"):
        opening.begin(tiny_config())
    assert opening.begin(tiny_config(), tmp_path / "mine").path == tmp_path / "mine"


def test_a_folder_with_a_run_takes_no_new_one(tmp_path):
    Run(tmp_path).write_config(tiny_config())
    with pytest.raises(UserError, match=f"Continue it with `resume` {tmp_path}, or give another `run_dir`"):
        opening.begin(tiny_config(), tmp_path)


def test_a_run_goes_on_with_all_that_it_was_started_with():
    """As a job's script gives them, preset and all."""
    saved = tiny_config()
    size = {"image_size": (32, 32), "base_filters": 4, "discriminator_filters": 4, "spade_filters": 8}
    train = {"epochs": 2, "ema": 0.9, "perceptual": "off"}
    changes = {"model": size, "train": train, "data": {"dataset": "procedural", "num_examples": 12}}
    with pytest.raises(UserError) as error:
        opening.check_same(saved, "facades", changes)
    assert str(error.value).count("the run has") == 1
    assert "train.decay_epochs: the run has 1, given was 50" in str(error.value)
    assert "or no `preset`, or start a new run" in str(error.value)
    train["decay_epochs"] = 1
    assert opening.check_same(saved, "facades", changes) == saved
    stored = saved.replace(data=DataConfig(data_dir="/data"))
    assert opening.check_same(stored, "facades", {**changes, "data": {"dataset": "facades"}}) == stored


def test_a_run_goes_on_with_nothing_given_or_its_data_elsewhere(tmp_path):
    saved = tiny_config().replace(data=DataConfig(data_dir="old"))
    Run(tmp_path).write_config(saved)
    assert opening.resume(tmp_path)[1] == saved
    run, config = opening.resume(tmp_path, changes={"data": {"data_dir": "/new"}})
    assert (run.path, config) == (tmp_path, saved.replace(data=DataConfig(data_dir="/new")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": {"seed": 3}}, "train.seed: the run has 0, given was 3\nLeave these out"),
        ({"model": {"num_classes": 5}}, "labels.num_classes: the run has 13, given was 5"),
        ({"data": {"num_examples": 8}}, "data.num_examples: the run has 12, given was 8"),
    ],
)
def test_a_run_does_not_go_on_as_another(changes, message):
    with pytest.raises(UserError) as error:
        opening.check_same(tiny_config(), changes=changes)
    assert message in str(error.value)


def test_converted_weights_have_no_data_to_go_on_with():
    with pytest.raises(UserError, match=r"data.dataset: the run has None, given was 'procedural'"):
        opening.check_same(tiny_config().replace(data=None), changes={"data": {"dataset": "procedural"}})


def test_weights_may_move_and_names_may_change():
    saved = tiny_config().replace(train=TrainConfig(perceptual="/old/vgg.npz"))
    moved = saved.replace(train=TrainConfig(perceptual="/new/vgg.npz"))
    assert saved.differences(moved) == []
    assert [name for name, *_ in saved.differences(tiny_config())] != []
    assert opening.check_same(saved, changes={"train": {"perceptual": "/new/vgg.npz"}}) == moved
    with pytest.raises(UserError, match=r"train.perceptual: the run has 'a file', given was 'off'"):
        opening.check_same(saved, changes={"train": {"perceptual": "off"}})
    older = saved.replace(labels=saved.labels.replace(class_names=(), palette=()))
    assert older.differences(saved) == saved.differences(older) == []


def test_a_relative_file_of_weights_is_kept_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = opening.configure(changes={"train": {"perceptual": "vgg.npz"}})
    assert config.train.perceptual == str(tmp_path / "vgg.npz")
