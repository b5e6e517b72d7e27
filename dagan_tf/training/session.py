"""One training run from its configuration to its last checkpoint."""

from dataclasses import dataclass

import keras
import tensorflow as tf

from dagan_tf.data.pipeline import Pipeline
from dagan_tf.data.sources import open_source
from dagan_tf.errors import UserError
from dagan_tf.networks.perceptual import VGG19Features
from dagan_tf.training import checkpoint
from dagan_tf.training.callbacks import (
    Checkpoints,
    History,
    NotFiniteError,
    Samples,
    SampleSheet,
    StopOnNaN,
    StopOnSignal,
)
from dagan_tf.training.dagan import DAGAN
from dagan_tf.training.schedule import make_optimizers

SAMPLES = 6


@dataclass(frozen=True)
class Outcome:
    """How a run ended: after its last epoch, or at a signal, or at losses or weights that were not finite."""

    step: int
    total_steps: int
    signal: object = None
    not_finite: tuple = ()


def training_pipeline(config):
    """The `Pipeline` of a `RunConfig`'s training split; `UserError` where its data cannot be used."""
    load_size = tuple(round(side * config.train.load_scale) for side in config.model.image_size)
    source = open_source(config.data, config.dataset, load_size, "train", config.train.seed)
    _check_instances(config, source)
    return Pipeline(
        source,
        config.model.image_size,
        config.train.batch_size,
        training=True,
        load_scale=config.train.load_scale,
        flip=config.train.flip,
        seed=config.train.seed,
    )


def _check_instances(config, source):
    if config.model.use_instance_edges and "instance" not in source[0]:
        raise UserError(
            "The model reads instance edges, but the data has no instance maps: give --instance-dir, or train without "
            "edges (--no-use-instance-edges)."
        )


def sample_sheet(config):
    """The `SampleSheet` of a run: the first examples of the test split, or of the training split without one."""
    size = config.model.image_size
    sources = (open_source(config.data, config.dataset, size, s, config.train.seed) for s in ("test", "train"))
    source = next(s for s in sources if s is not None)
    count = min(SAMPLES, len(source))
    pipeline = Pipeline(source, size, count, training=False)
    with pipeline.plain_errors():
        return SampleSheet(next(iter(pipeline.epoch())), config.dataset)


def build_model(config, steps_per_epoch):
    """The compiled `DAGAN` of a `RunConfig`, with fresh weights drawn from its seed."""
    keras.utils.set_random_seed(config.train.seed)
    model = DAGAN(config.model, ema=config.train.ema)
    generator_optimizer, discriminator_optimizer = make_optimizers(config.train, steps_per_epoch)
    perceptual = config.train.perceptual
    model.compile(
        generator_optimizer,
        discriminator_optimizer,
        perceptual_features=None if perceptual == "off" else VGG19Features(perceptual),
        feature_weight=config.train.feature_weight,
        perceptual_weight=config.train.perceptual_weight,
        # XLA knows no patch table: "auto" is dense then.
        jit_compile=bool(tf.config.list_physical_devices("GPU")) and config.model.semantics != "patch_table",
    )
    return model


def train(config, run, resume=False, sample_every=5, keep=2, verbose=2):
    """Trains to the last epoch, or until a signal or a loss that is not finite; every end but the last can resume.

    Nothing is written before data and model are ready; the configuration is written before the first step.

    Args:
        config: a `RunConfig`.
        run: the `Run` to write to.
        resume: continue from the newest checkpoint; a run that ended before its first one begins again.
        sample_every: epochs between sample sheets.
        keep: checkpoints to keep.
        verbose: as in `keras.Model.fit`.

    Returns:
        An `Outcome`.

    Raises:
        UserError: data or weights cannot be used. What was trained until then is saved.
    """
    pipeline = training_pipeline(config)
    steps = pipeline.steps_per_epoch
    model = build_model(config, steps)
    newest = checkpoint.latest(run.checkpoints) if resume else None
    if newest:
        _check_continues(newest, steps)
        checkpoint.load(model, newest)
    sheet = sample_sheet(config)
    run.write_config(config)
    if verbose:
        print(f"Run folder: {run.path}; {config.train.total_epochs} epochs of {steps} steps", flush=True)
    writer = tf.summary.create_file_writer(str(run.tensorboard))
    saver = Checkpoints(run, steps, keep)
    samples = Samples(run, sheet, steps, writer, sample_every, config.train.total_epochs)
    not_finite = ()
    with StopOnSignal() as stop:
        callbacks = [StopOnNaN(), stop, saver, History(run, steps, writer), samples]
        try:
            with pipeline.plain_errors():
                _fit(model, pipeline, config.train.total_epochs, callbacks, verbose)
        except NotFiniteError as error:
            not_finite = error.names
        except UserError:
            saver.save()  # the weights are good: only the data is not
            raise
        finally:
            writer.close()
    return Outcome(int(model.step), steps * config.train.total_epochs, stop.received, not_finite)


def _check_continues(newest, steps):
    """Step and schedule count in epochs: they only go on where an epoch has as many steps as before."""
    before = checkpoint.read_state(newest).get("steps_per_epoch")
    if before is None:
        raise UserError(f"{newest} was converted, not trained here: it makes pictures, but there is no run to resume.")
    if before != steps:
        raise UserError(
            f"The run had {before} steps an epoch; with the data as it is now there are {steps}. A run resumes with "
            "the examples that it began with: restore them, or start a new run."
        )


def _fit(model, pipeline, epochs, callbacks, verbose):
    """Fits from the model's step to the last epoch; the rest of a broken epoch is a fit of its own."""
    steps = pipeline.steps_per_epoch
    epoch, done = divmod(int(model.step), steps)
    options = {"callbacks": callbacks, "verbose": verbose, "shuffle": False}
    if done:
        data = pipeline.epoch(epoch, start_step=done)
        model.fit(data, initial_epoch=epoch, epochs=epoch + 1, steps_per_epoch=steps - done, **options)
        if model.stop_training:
            return
        epoch += 1
    if epoch < epochs:
        model.fit(pipeline.stream(epoch), initial_epoch=epoch, epochs=epochs, steps_per_epoch=steps, **options)
