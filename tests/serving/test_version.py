"""Version folders: numbers, nothing half-written, what is in them, and the check against Keras."""

import json

import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.config import DatasetSpec
from dagan_tf.errors import UserError
from dagan_tf.networks.folding import fold
from dagan_tf.serving import version
from tests.networks.test_folding import batch, trained

CARD = {"name": "mine"}


@pytest.fixture(scope="module")
def generator():
    return fold(trained())


@pytest.fixture(scope="module")
def written(generator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("version")
    version.write(generator, DatasetSpec(3), folder, CARD)
    return folder


def test_next_version(tmp_path):
    assert version.next_version(tmp_path / "nothing") == 1
    for name in ("2", "10", "x", ".11.123", "notes.txt"):
        (tmp_path / name).mkdir()
    assert version.next_version(tmp_path) == 11


def test_a_version_appears_at_the_end(tmp_path):
    with version.new_version(tmp_path / "models/mine", 3) as aside:
        (aside / "file").write_text("content")
        assert not (tmp_path / "models/mine/3").exists()
        assert not aside.name.isdecimal()
    assert [p.name for p in (tmp_path / "models/mine").iterdir()] == ["3"]
    assert (tmp_path / "models/mine/3/file").read_text() == "content"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(tmp_path, error):
    with pytest.raises(error), version.new_version(tmp_path, 3) as aside:  # noqa: PT012 (the block is what is tested)
        (aside / "file").write_text("half")
        raise error
    assert not list(tmp_path.iterdir())


def test_a_version_is_never_replaced(tmp_path):
    (tmp_path / "3").mkdir()
    with pytest.raises(UserError, match="never replaced"), version.new_version(tmp_path, 3):
        pass
    with pytest.raises(UserError, match="never replaced"), version.new_version(tmp_path, 4):
        (tmp_path / "4").mkdir()  # another export was quicker
    assert sorted(p.name for p in tmp_path.iterdir()) == ["3", "4"]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Give another --output"), version.new_version(tmp_path / "file/models", 1):
        pass


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
    content = (written / "saved_model.pb").read_bytes()
    assert b"/home" not in content
    assert b"site-packages" not in content
    assert b"jit_compile" not in content.replace(b"_XlaMustCompile", b"")


def test_check_passes(written, generator):
    largest, mean = version.check(written, generator, batch())
    assert largest <= 1
    assert mean < 0.01


def test_check_finds_wrong_weights(written, generator):
    other = fold(trained())
    other.conv_img.bias.assign(np.asarray(other.conv_img.bias) + 0.1)
    with pytest.raises(UserError, match=r"must draw what Keras draws.*Nothing was exported"):
        version.check(written, other, batch())


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
