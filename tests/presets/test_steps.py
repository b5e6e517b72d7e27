"""One optimisation step of each preset at its full size and width, on real pairs in their original folders.

The parameters are those of the paper's Table 3 (generator, discriminator), where it has the data set.
"""

import json

import pytest

from tests.helpers import ROOT, run_python

DATA = ROOT.parent / "shared/data"
PAIRS = {"facades": 378, "cityscapes": 5, "ade20k": 1, "celebamask_hq": 160, "coco_stuff": 13}
CHANNELS = {"facades": 13, "cityscapes": 36, "ade20k": 151, "celebamask_hq": 19, "coco_stuff": 184}
PARAMETERS = {
    "facades": (92_445_333, 5_554_306), "cityscapes": (93_134_229, 5_601_410), "ade20k": (96_578_709, 5_836_930),
    "celebamask_hq": (92_625_045, 5_566_594),
}  # fmt: skip
SCRIPT = """
import json, sys
import numpy as np
from dagan_tf.runs import opening
from dagan_tf.runs.session import build_model, training_pipeline

changes = {"data": {"dataset": sys.argv[1], "data_dir": sys.argv[2]}, "model": {"cam_levels": "last"}}
changes["train"] = {"batch_size": 1, "perceptual": "off"}
config = opening.configure(changes=changes)
pipeline = training_pipeline(config)
batch = next(iter(pipeline.epoch()))
model = build_model(config, pipeline.steps_per_epoch)
before = [np.array(network.trainable_variables[0]) for network in (model.generator, model.discriminator)]
losses = {name: float(value) for name, value in model.train_on_batch(batch, return_dict=True).items()}
networks = model.generator, model.discriminator
channels = model.discriminator.trainable_variables[0].shape[-2] - 3  # beside those of the image
moved = [float(np.abs(n.trainable_variables[0] - b).max()) for n, b in zip(networks, before)]
print(json.dumps({
    "pairs": pipeline.num_examples, "channels": channels, "losses": losses, "moved": moved,
    "parameters": [sum(int(np.prod(v.shape)) for v in n.trainable_variables) for n in networks],
    "size": batch["image"].shape[1:3].as_list() == list(config.model.image_size),
    "edges": "instance" in batch,
}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_one_step_at_full_size(name):
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"the data set is not at {folder}")
    found = json.loads(run_python(SCRIPT, name, folder).splitlines()[-1])
    assert (found["pairs"], found["channels"], found["size"]) == (PAIRS[name], CHANNELS[name], True)
    assert found["edges"] == (name in ("cityscapes", "coco_stuff"))
    assert all(abs(value) < 1e3 for value in found["losses"].values())
    assert all(0 < moved < 1e-2 for moved in found["moved"])
    if name in PARAMETERS:
        assert tuple(found["parameters"]) == PARAMETERS[name]
