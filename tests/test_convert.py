"""The convert command: the recorded networks' parameters to a run folder that makes their pictures, and back."""

import numpy as np
import pytest

from dagan_tf import convert
from dagan_tf.errors import UserError
from dagan_tf.networks.pytorch.files import read_state, write_state
from dagan_tf.runs import opening, session
from dagan_tf.runs.loading import load_model
from tests import golden

SIZE = ["--image-size", "64", "--base-filters", "8", "--discriminator-filters", "8"]


@pytest.fixture(scope="module", params=["npz", "pth"])
def converted(request, tmp_path_factory):
    """A run folder made of the recorded weights, and the files' suffix."""
    if request.param == "pth":
        pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("pytorch")
    for part, name in (("generator", "G"), ("discriminator", "D")):
        write_state(folder / f"latest_net_{name}.{request.param}", golden.reference_weights(part))
    files = [
        f"--{part}={folder}/latest_net_{name}.{request.param}"
        for part, name in (("generator", "G"), ("discriminator", "D"))
    ]
    assert convert.main(["to-run", "--preset", "facades", *files, *SIZE, "--output", str(folder / "run")]) == 0
    return folder / "run", request.param


def test_pictures_are_those_of_the_authors_networks(converted):
    model, config, _ = load_model(converted[0])
    assert config.model.cam_levels == "last"
    values = golden.values()
    images = model.predict({"label": values["label"]}, verbose=0)
    assert np.abs(images - values["image_eval"]).max() < 1e-4


def test_and_back(converted, tmp_path):
    run, suffix = converted
    assert convert.main(["to-pytorch", "--run", str(run), "--output", str(tmp_path), "--format", suffix]) == 0
    for part, name in (("generator", "G"), ("discriminator", "D")):
        back, expected = read_state(tmp_path / f"latest_net_{name}.{suffix}"), golden.reference_weights(part)
        assert back.keys() == expected.keys()
        for key, array in expected.items():
            np.testing.assert_array_equal(back[key], array)


def test_a_run_is_not_overwritten(converted):
    with pytest.raises(UserError, match="holds a run already"):
        convert.main(["to-run", "--preset", "facades", "--generator", "g.npz", "--output", str(converted[0])])


def test_another_width_lists_what_does_not_fit_and_leaves_nothing(tmp_path):
    write_state(tmp_path / "g.npz", golden.reference_weights("generator"))
    flags = ["to-run", "--preset", "facades", "--generator", str(tmp_path / "g.npz"), "--image-size", "64"]
    with pytest.raises(UserError, match=r"shape of fc.weight: expected \(64, 13, 3, 3\), received \(128, 13, 3, 3\)"):
        convert.main([*flags, "--base-filters", "4", "--output", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()


def test_converted_weights_are_no_run_to_resume(converted):
    run, config = opening.resume(converted[0])
    assert config.data is None
    with pytest.raises(UserError, match=r"There is no data to train on.*converted weights"):
        session.train(config, run, resume=True, verbose=0)
