"""TFLite files run with LiteRT: precision against Keras on real facades, built-in operators, models with edges."""

import numpy as np
import pytest

from dagan_tf.config import TFLITE_KINDS
from dagan_tf.errors import UserError
from dagan_tf.exports import quality, tflite
from dagan_tf.networks import FoldedGenerator
from dagan_tf.runs.loading import load_model
from tests.exports.helpers import sample_maps
from tests.helpers import FACADES_FOLDER
from tests.networks.helpers import SMALL, batch, trained

DECIBELS = {"float32": 80, "float16": 60, "dynamic": 40, "int8": 35}


@pytest.fixture(scope="module")
def qualities(request, tmp_path_factory):
    """Every kind of file made of a trained run, and how good it is."""
    if not FACADES_FOLDER.is_dir():
        pytest.skip("the facades are not beside this checkout (../shared/data/facades)")
    run = request.getfixturevalue("facades_run")
    model, config, _ = load_model(run)
    folder = tmp_path_factory.mktemp("tflite")
    calibration, examples = {"label": sample_maps(config, 32, "train")}, {"label": sample_maps(config, 8)}
    return folder, {
        q.kind: q
        for q in tflite.write(
            model.inference_generator.folded(semantics="dense"), folder, TFLITE_KINDS, calibration, examples
        )
    }


def interpreter(content):
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(model_content=content)


@pytest.mark.parametrize("kind", TFLITE_KINDS)
def test_precision_on_real_facades(qualities, kind):
    folder, rows = qualities
    row = rows[kind]
    assert row.psnr >= DECIBELS[kind]
    assert row.size == (folder / f"{kind}.tflite").stat().st_size
    assert row.milliseconds > 0


def test_smaller_with_fewer_bits(qualities):
    sizes = {kind: row.size for kind, row in qualities[1].items()}
    assert 0.45 < sizes["float16"] / sizes["float32"] < 0.6
    assert sizes["dynamic"] < 0.4 * sizes["float32"]
    assert sizes["int8"] < 0.5 * sizes["float32"]


@pytest.mark.parametrize("kind", TFLITE_KINDS)
def test_built_in_operators_only(qualities, kind):
    model = interpreter((qualities[0] / f"{kind}.tflite").read_bytes())
    operators = {d["op_name"] for d in model._get_ops_details()}
    assert "CONV_2D" in operators
    assert not any(name.startswith("Flex") or "CUSTOM" in name.upper() for name in operators)


def test_int8_convolves_in_int8(qualities):
    """Activations and kernels of convolutions in 8 bits, but for the last three blocks' own three convolutions each."""
    model = interpreter((qualities[0] / "int8.tflite").read_bytes())
    dtypes = {d["index"]: np.dtype(d["dtype"]) for d in model.get_tensor_details()}
    convolutions = [d for d in model._get_ops_details() if d["op_name"] == "CONV_2D"]
    kinds = [{dtypes[i] for i in (*d["inputs"][:2], *d["outputs"])} for d in convolutions]
    assert kinds.count({np.dtype("float32")}) == 9
    assert kinds.count({np.dtype("int8")}) == len(kinds) - 9 > 40


def test_instance_edges():
    config = SMALL.replace(base_filters=8)  # with 2 channels LiteRT 2.3's int8 kernels break the process
    generator, data = trained(config).folded(semantics="dense"), batch(config)
    files = dict(tflite.convert(generator, ["float32", "dynamic", "int8"], data))
    expected = 127.5 * (np.asarray(generator(data)) + 1)
    for kind, at_most in (("float32", 1), ("dynamic", 30), ("int8", 60)):
        images, _ = tflite.generate(files[kind], data)
        assert images.dtype == np.uint8
        assert images.shape == (2, 32, 64, 3)
        assert np.abs(images - expected).mean() < at_most / 4
    other = {**data, "instance": data["instance"] * 0}
    assert np.abs(tflite.generate(files["float32"], other)[0].astype(int) - expected).mean() > 1  # edges are read


def test_the_patch_table_is_refused():
    with pytest.raises(UserError, match=r"`semantics` dense. Received: auto.*makes one"):
        next(tflite.convert(FoldedGenerator(SMALL)))


def test_psnr():
    black = np.zeros((2, 4, 4, 3), np.uint8)
    assert quality.psnr(black, black) == float("inf")
    assert quality.psnr(black, black + 255) == 0
    assert quality.psnr(black, black + 1) == pytest.approx(48.13, abs=0.01)
