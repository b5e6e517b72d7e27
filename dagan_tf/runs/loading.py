"""Trained networks out of whatever they were saved as.

`load_generator` is for pictures: it takes every form, and gives the generator and what label files mean.
`load_model` is for both networks of a run, with the discriminator and the moving average.
"""

import pathlib
from dataclasses import dataclass

import keras

from dagan_tf.config import LabelSpec, RunConfig
from dagan_tf.errors import UserError
from dagan_tf.networks import FoldedGenerator, Generator
from dagan_tf.networks.pytorch.files import read_state
from dagan_tf.networks.pytorch.names import load_pytorch_weights
from dagan_tf.presets import PRESETS, get_preset
from dagan_tf.runs import checkpoint as checkpoints
from dagan_tf.runs.folder import Run
from dagan_tf.training.dagan import DAGAN

KINDS = (
    "a run folder, a checkpoint in one, a model saved as .keras, a generator's .weights.h5, or the .pth or .npz of the "
    "authors' PyTorch code"
)


@dataclass(frozen=True)
class LoadedGenerator:
    """A trained generator and what is known of it."""

    generator: Generator
    """The moving average where there is one."""
    labels: LabelSpec
    """What the ids of label files mean."""
    path: pathlib.Path
    """The checkpoint's folder, or the file."""
    step: int | None = None
    """Training steps that the weights have seen, where that is known."""
    weights: str = "generator"
    """Which weights these are: "generator" or "moving average"."""
    config: RunConfig | None = None
    """The run's, where it was one."""


def load_generator(source, checkpoint="newest", preset=None, semantics="auto", **model_fields):
    """Loads a generator for pictures, from a run or from a file.

    Args:
        source: path of a run folder, of a checkpoint in one, of a `DAGAN` or `Generator` saved as `.keras`, of a
            generator's `.weights.h5`, or of the authors' PyTorch weights as `.pth` or `.npz`.
        checkpoint: of a run: "newest", "best" or a step's number.
        preset: name of the data set that a file's weights were trained on, for files alone; `.weights.h5`, `.pth` and
            `.npz` need it.
        semantics: how the generator reads the label map ("auto", "dense" or "patch_table"); it changes no number.
        **model_fields: fields of `ModelConfig` in which the weights of a file differ from the preset.

    Returns:
        A `LoadedGenerator`.

    Raises:
        UserError: there is nothing of these kinds, it is damaged, or it does not fit its description.
    """
    path = pathlib.Path(source).expanduser()
    if not path.exists():
        raise UserError(f"Expected {KINDS}. Received: {path}, where there is nothing. Check the path.")
    if path.is_dir():
        if preset or model_fields:
            raise UserError(
                "A run knows its model: leave out `preset` and the fields of the model, which describe files. "
                f"Received: {path} and {', '.join(['preset'] * bool(preset) + list(model_fields))}."
            )
        return _from_run(path, checkpoint, semantics)
    _check_newest(path, checkpoint)
    for suffix, read in READERS.items():
        if path.name.endswith(suffix):
            return read(path, preset, semantics, model_fields)
    raise UserError(f"Expected {KINDS}. Received: {path}. Give one of these.")


def load_model(run_folder, checkpoint="newest", semantics="auto"):
    """Loads both networks of a run as one model.

    Args:
        run_folder: the run's folder.
        checkpoint: "newest", "best" or a step's number.
        semantics: how the networks read the label map; it changes no number.

    Returns:
        `(model, config, path)`: a `DAGAN` for `predict` and `generate`, the `RunConfig`, the checkpoint's path.

    Raises:
        UserError: the folder is no run, or has no such checkpoint that can be loaded.
    """
    run = Run(pathlib.Path(run_folder).expanduser())
    config, path = run.read_config(), run.find(checkpoint)
    model = DAGAN(config.model, ema=config.train.ema, semantics=semantics)
    # The optimizers' slots, which take twice as much as the networks, are left in the file.
    model.generator_optimizer = model.discriminator_optimizer = None
    checkpoints.load(model, path)
    return model, config, path


def _from_run(path, checkpoint, semantics):
    path = path.resolve()  # a name alone would have no folders above it
    if path in checkpoints.checkpoints(path.parent):
        _check_newest(path, checkpoint)
        path, checkpoint = path.parent.parent, checkpoints.read_state(path)["step"]
    model, config, found = load_model(path, checkpoint, semantics)
    return _of_model(model, config.labels, found, config)


def _check_newest(path, checkpoint):
    if checkpoint != "newest":
        raise UserError(f"`checkpoint` chooses among those of a run. Received: {checkpoint} for {path}. Leave it out.")


def _of_model(model, labels, path, config=None):
    weights = "generator" if model.ema_generator is None else "moving average"
    return LoadedGenerator(model.inference_generator, labels, path, model.steps_done, weights, config)


def _from_keras(path, preset, semantics, fields):
    if fields:
        raise UserError(f"{path} knows its model. Received: {', '.join(fields)}. Leave out the fields of the model.")
    try:
        model = keras.saving.load_model(path)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} could not be loaded as a DAGAN or a generator: {error}") from error
    if not isinstance(model, DAGAN | Generator | FoldedGenerator):
        raise UserError(
            f"Expected a DAGAN or a generator in {path}. Received: {type(model).__name__}. Give another file."
        )
    if model.semantics != semantics:
        weights = model.get_weights()
        model = type(model).from_config({**model.get_config(), "semantics": semantics})
        model.set_weights(weights)
    classes = model.config.num_classes
    labels = get_preset(preset).labels_with(num_classes=classes) if preset else LabelSpec(classes)
    return _of_model(model, labels, path) if isinstance(model, DAGAN) else LoadedGenerator(model, labels, path)


def _from_weights(path, preset, semantics, fields):
    config, labels = _described(path, preset, fields)
    generator = Generator(config, semantics)
    try:
        generator.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path} does not fit the generator that `preset` and the fields of the model describe: {error}"
        ) from error
    return LoadedGenerator(generator, labels, path)


def _from_pytorch(path, preset, semantics, fields):
    # PyTorch: the authors' networks fuse the last level only.
    config, labels = _described(path, preset, {"cam_levels": "last", **fields})
    generator = Generator(config, semantics)
    load_pytorch_weights(generator, read_state(path))
    return LoadedGenerator(generator, labels, path)


def _described(path, preset, fields):
    """The `ModelConfig` and the `LabelSpec` of weights that do not say themselves what they are."""
    if not preset:
        raise UserError(f"{path.name} needs `preset`, one of {', '.join(PRESETS)}: weights do not name a data set.")
    described = get_preset(preset)
    config = described.model.replace(**fields)
    return config, described.labels_with(num_classes=config.num_classes)


READERS = {".keras": _from_keras, ".weights.h5": _from_weights, ".pth": _from_pytorch, ".npz": _from_pytorch}
"""How files are read, by the end of their names."""
