"""Version folders: numbers, nothing half-written, and what is in them."""

import json
import pathlib
import sys
import tempfile

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from dagan_tf.errors import UserError
from dagan_tf.exports import version
from tests.exports.helpers import CARD
from tests.helpers import ROOT


def test_next_version(tmp_path):
    assert version.next_version(tmp_path / "nothing") == 1
    for name in ("2", "10", "x", ".11.123", "notes.txt", str(2**63)):
        (tmp_path / name).mkdir()
    assert version.next_version(tmp_path) == 11


@pytest.mark.parametrize("number", [None, 3])
def test_a_version_appears_at_the_end(tmp_path, number):
    with version.new_version(tmp_path / "models/mine", number) as new:
        (new.path / "file").write_text("content")
        assert [p.name.isdecimal() for p in (tmp_path / "models/mine").iterdir()] == [False]
    assert new.number == (number or 1)
    assert new.target == tmp_path / "models/mine" / str(new.number)
    assert [p.name for p in (tmp_path / "models/mine").iterdir()] == [str(new.number)]
    assert (new.target / "file").read_text() == "content"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(tmp_path, error):
    with pytest.raises(error), version.new_version(tmp_path, 3) as new:  # noqa: PT012 (the block is what is tested)
        (new.path / "file").write_text("half")
        raise error
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_no_obstacle(tmp_path):
    with version.new_version(tmp_path) as new:
        name = new.path.name
    (tmp_path / name).mkdir()
    (tmp_path / name / "half").touch()
    with version.new_version(tmp_path) as new:
        assert not list(new.path.iterdir())
    assert new.number == 2


def test_a_version_is_never_replaced(tmp_path):
    (tmp_path / "3").mkdir()
    with pytest.raises(UserError, match="never replaced"), version.new_version(tmp_path, 3):
        pass
    with pytest.raises(UserError, match="never replaced"), version.new_version(tmp_path, 4):  # noqa: PT012
        (tmp_path / "4").mkdir()  # another export was quicker
        (tmp_path / "4/file").touch()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["3", "4"]


def test_two_exports_at_once_get_two_versions(tmp_path):
    with version.new_version(tmp_path) as first:
        (first.path / "file").touch()
        (tmp_path / "1").mkdir()
        (tmp_path / "1/file").touch()
    assert first.number == 2


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="give another `output`"), version.new_version(tmp_path / "file/models", 1):
        pass


def test_a_full_disk(tmp_path):
    error = tf.errors.ResourceExhaustedError(None, None, "No space left on device")
    with pytest.raises(UserError, match="No space left on device"), version.new_version(tmp_path, 1):
        raise error
    assert not list(tmp_path.iterdir())


def test_layout(written):
    assert sorted(p.name for p in written.iterdir() if p.name != "assets") == [
        "assets.extra",
        "fingerprint.pb",
        "saved_model.pb",
        "variables",
    ]
    assert json.loads((written / "assets.extra/model_card.json").read_text()) == CARD
    assert (written / "assets.extra/tf_serving_warmup_requests").stat().st_size > 100


def test_nothing_of_this_machine_is_in_it(written):
    folders = [str(ROOT), sys.prefix, tempfile.gettempdir(), str(pathlib.Path.home()) + "/"]
    for path in written.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not [folder for folder in folders if folder.encode() in content], path


def test_no_xla(written):
    """TF-Serving has it off by default."""
    graph = saved_model_pb2.SavedModel.FromString((written / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    owners = [*nodes, *graph.library.function]
    assert len(owners) > 100
    assert not [owner for owner in owners if owner.attr["_XlaMustCompile"].b]


def test_warm_up_requests_run(written):
    """Read with TF-Serving's protos and run through the signatures, as a server does."""
    from tensorflow_serving.apis import prediction_log_pb2

    loaded = tf.saved_model.load(str(written))
    seen = []
    for record in tf.data.TFRecordDataset(str(written / "assets.extra/tf_serving_warmup_requests")):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        seen.append(request.model_spec.signature_name)
        assert request.model_spec.name == "mine"
        inputs = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
        outputs = loaded.signatures[seen[-1]](**inputs)
        assert all(len(value) == 1 for value in outputs.values())
    assert sorted(seen) == sorted(loaded.signatures)
