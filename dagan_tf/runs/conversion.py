"""The authors' PyTorch checkpoints (DAGAN's, SPADE's) as run folders of ours, and back."""

import pathlib

from dagan_tf.config import RunConfig
from dagan_tf.errors import UserError
from dagan_tf.files import check_writable
from dagan_tf.networks.pytorch.files import read_state, write_state
from dagan_tf.networks.pytorch.names import load_pytorch_weights, pytorch_weights
from dagan_tf.presets import get_preset
from dagan_tf.runs import checkpoint
from dagan_tf.runs.folder import Run
from dagan_tf.runs.loading import load_model
from dagan_tf.training.dagan import DAGAN


def from_pytorch(output, preset, generator, discriminator=None, **model_fields):
    """Makes a run folder of PyTorch weights, to generate with and to export; it has no data to train on.

    Args:
        output: the run folder to make.
        preset: name of the data set that the weights were trained on.
        generator: path of latest_net_G, .pth or .npz.
        discriminator: path of latest_net_D; `None`: fresh weights.
        **model_fields: fields of `ModelConfig` in which the networks differ from the preset.

    Returns:
        The `Run`.

    Raises:
        UserError: a file is missing or does not fit, or the folder holds a run; nothing is written then.
    """
    run = Run(output)
    if run.exists:
        raise UserError(f"{run.path} holds a run already: give another `output`.")
    check_writable(run.path)
    described = get_preset(preset)
    # PyTorch: the authors' networks fuse the last level only.
    config = described.model.replace(**{"cam_levels": "last", **model_fields})
    model = DAGAN(config)
    load_pytorch_weights(model.generator, read_state(generator))
    if discriminator:
        load_pytorch_weights(model.discriminator, read_state(discriminator))
    checkpoint.save(model, run.checkpoints, {"converted_from": pathlib.Path(generator).name})
    labels = described.labels_with(num_classes=config.num_classes)
    run.write_config(RunConfig(config, labels, None, described.train))
    return run


def to_pytorch(run_folder, output, suffix="pth"):
    """Writes a run's networks as files that the authors' PyTorch code reads.

    Args:
        run_folder: the run's folder; of its checkpoints the newest is taken, and its moving average if there is one.
        output: folder for the files.
        suffix: "pth" or "npz".

    Returns:
        The files' paths.

    Raises:
        UserError: the folder is no run, or its generator has no counterpart in PyTorch (`cam_levels` all).
    """
    check_writable(output)
    model, _, _ = load_model(run_folder)
    networks = {"latest_net_G": model.inference_generator, "latest_net_D": model.discriminator}
    states = {name: pytorch_weights(network) for name, network in networks.items()}
    paths = [pathlib.Path(output) / f"{name}.{suffix}" for name in states]
    for path, state in zip(paths, states.values(), strict=True):
        write_state(path, state)
    return paths
