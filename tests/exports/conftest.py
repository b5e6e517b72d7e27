"""Exported models for the tests of this folder: the recorded networks of the authors, and a trained run."""

import pytest

from dagan_tf import convert
from dagan_tf.config import LabelSpec
from dagan_tf.exports import version
from dagan_tf.networks.pytorch.files import write_state
from tests import golden
from tests.exports.helpers import CARD, exported
from tests.helpers import FACADES_FOLDER, made_once
from tests.networks.helpers import trained


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """The small generator of `tests.networks.helpers` as a version folder, with `CARD`, to read only."""
    return made_once(tmp_path_factory, "written", lambda f: version.write(trained().folded(), LabelSpec(3), f, CARD))


@pytest.fixture(scope="session")
def golden_model(tmp_path_factory):
    """The recorded networks, converted and exported."""
    folder = tmp_path_factory.mktemp("golden")
    write_state(folder / "latest_net_G.npz", golden.reference_weights("generator"))
    size = ["--image-size", "64", "--base-filters", "8", "--discriminator-filters", "8"]
    files = ["--generator", str(folder / "latest_net_G.npz"), "--output", str(folder / "run")]
    convert.main(["to-run", "--preset", "facades", *files, *size])
    return exported(folder / "run", folder / "models/golden", golden.values()["label"])


@pytest.fixture(scope="session")
def trained_model(request, tmp_path_factory):
    """A trained run, exported: of real facades where they are, else of drawn ones."""
    if FACADES_FOLDER.is_dir():
        run = request.getfixturevalue("facades_run")
    else:
        run = request.getfixturevalue("finished_run")[0].path
    return exported(run, tmp_path_factory.mktemp("models") / "facades")


@pytest.fixture(scope="session", params=["golden_model", "trained_model"])
def model(request):
    """Each of the two."""
    return request.getfixturevalue(request.param)
