"""One training run from its configuration to its last checkpoint."""

import contextlib
import sys
from dataclasses import dataclass

import keras
import tensorflow as tf

from dagan_tf.config import RunOptions
from dagan_tf.data.cache import cached
from dagan_tf.data.datasets import open_source
from dagan_tf.data.inspection import own_choice, quick_check
from dagan_tf.data.pipeline import Pipeline
from dagan_tf.data.transform import load_size
from dagan_tf.errors import StorageError, UserError
from dagan_tf.features.vgg19 import VGG19Features
from dagan_tf.runs.callbacks import Checkpoints, NotFiniteError, StopOnNaN, StopOnSignal, check_finite
from dagan_tf.runs.devices import Distribution
from dagan_tf.runs.failures import plain_disk_errors, plain_host_errors
from dagan_tf.runs.recorders import FirstStep, History, Samples, SampleSheet
from dagan_tf.training.dagan import DAGAN
from dagan_tf.training.schedule import make_optimizers

SAMPLES = 6
AS_USUAL = RunOptions()
ONE_DEVICE = Distribution(tf.distribute.get_strategy())


@dataclass(frozen=True)
class Outcome:
    """How a run ended: after its last epoch, or at a signal, or at losses or weights that were not finite."""

    step: int
    total_steps: int
    signal: object = None
    not_finite: tuple = ()


def print_warning(text):
    """Tells a warning on stderr."""
    print(f"warning: {text}", file=sys.stderr, flush=True)


def training_pipeline(config, cache=None, verbose=0, warn=print_warning):
    """The `Pipeline` of a `RunConfig`'s training split; `UserError` where its data cannot be used.

    Args:
        config: the `RunConfig`.
        cache: a folder where its examples are kept decoded and resized, or `None`, see `dagan_tf.data.cache`.
        verbose: whether to show the progress of checking the files, and of filling it.
        warn: called with the text of each warning about the files.
    """
    if config.data is None:
        raise UserError(
            "There is no data to train on. Received: a configuration without any, that of a preset alone or of "
            "converted weights. Start a new run with `dataset` folder, `label_dir` and `image_dir`."
        )
    size = load_size(config.model.image_size, config.train.load_scale)
    source = open_source(config.data, config.labels, split="train", size=size, seed=config.train.seed)
    check_examples(source, config, verbose, warn)
    check_examples(test_source(config), config, verbose, warn)
    if cache:
        bar = keras.utils.Progbar(len(source), unit_name="example", verbose=verbose)
        source = cached(source, size, cache, lambda done, total: bar.update(done))
    return Pipeline(
        source,
        config.model.image_size,
        config.train.batch_size,
        training=True,
        load_scale=config.train.load_scale,
        flip=config.train.flip,
        scale_jitter=config.train.scale_jitter,
        colour_jitter=config.train.colour_jitter,
        seed=config.train.seed,
    )


def test_source(config):
    """The examples of a `RunConfig`'s test split, or `None` where it has none."""
    size = config.model.image_size
    return open_source(config.data, config.labels, split="test", size=size, seed=config.train.seed)


def check_examples(source, config, verbose=0, warn=print_warning):
    """Raises `UserError` for what a look at all headers and some examples shows to be wrong; tells warnings.

    So that a broken file is named before the first step, and not after hours, when its turn comes. Examples that are
    drawn, or that TFDS has prepared, were looked at when they were made.
    """
    if source is None:
        return
    if config.model.use_instance_edges and "instance" not in source[0]:
        raise UserError(
            f"The model reads instance edges. Received: no instance map for {source.name(0)}. Give `instance_dir`, "
            "and `val_instance_dir` with `val_label_dir` (in a `data_dir`: a folder named instances), or train without "
            "edges: no `use_instance_edges`."
        )
    if not hasattr(source, "files"):
        return
    if verbose:
        print(f"Checking the files of {len(source)} examples ...", flush=True)
    bar = keras.utils.Progbar(len(source), unit_name="example", verbose=verbose)
    size = own_choice(config.data.dataset, config.model.image_size)
    report = quick_check(source, size, progress=lambda done, total: bar.update(done))
    if report.errors:
        found = "\n".join(finding.message for finding in report.errors)
        raise UserError(f"{found}\n`python -m dagan_tf.check` reads all files and lists all that is wrong.")
    for finding in report.warnings:
        warn(finding.message)


def sample_sheet(config):
    """The `SampleSheet` of a run: the first examples of the test split, or of the training split without one."""
    size = config.model.image_size
    source = test_source(config)
    if source is None:
        source = open_source(config.data, config.labels, split="train", size=size, seed=config.train.seed)
    count = min(SAMPLES, len(source))
    pipeline = Pipeline(source, size, count, training=False)
    with pipeline.plain_errors():
        return SampleSheet(next(iter(pipeline.epoch())), config.labels)


def build_model(config, steps_per_epoch, distribution=ONE_DEVICE, semantics="auto"):
    """The compiled `DAGAN` of a `RunConfig`, with fresh weights drawn from its seed, on a `Distribution`'s devices."""
    keras.utils.set_random_seed(config.train.seed)
    perceptual = config.train.perceptual
    with distribution.strategy.scope():
        model = DAGAN(config.model, ema=config.train.ema, semantics=semantics, dtype=config.train.precision)
        model.compile(
            *make_optimizers(config.train, steps_per_epoch),
            perceptual_features=None if perceptual == "off" else VGG19Features(perceptual),
            feature_weight=config.train.feature_weight,
            perceptual_weight=config.train.perceptual_weight,
            accumulate=config.train.accumulate,
            jit_compile=distribution.jit_compile,
        )
    return model


def train(
    config,
    run,
    resume=False,
    options=AS_USUAL,
    distribution=ONE_DEVICE,
    verbose=2,
    warn=print_warning,
    check_stopped=None,
):
    """Trains to the last epoch, or until a signal or a loss that is not finite; every end but the last can resume.

    Nothing is written before data and model are ready; the configuration is written before the first step. Where
    several hosts train together each of them calls this, and one of them writes.

    Args:
        config: a `RunConfig`.
        run: the `Run` to write to.
        resume: continue from the newest checkpoint; a run that ended before its first one begins again.
        options: `RunOptions`; its devices, strategy and XLA are in `distribution`.
        distribution: a `Distribution`.
        verbose: as in `keras.Model.fit`.
        warn: called with the text of each warning about the data.
        check_stopped: called when signals are taken here, to raise for one that came before; `None`: not.

    Returns:
        An `Outcome`.

    Raises:
        UserError: data or weights cannot be used, or nothing more can be written. What was trained until then is saved
            if it can be.
        HostLostError: another host ended; the newest checkpoint is good.
    """
    distribution.check_batch(config.train.batch_size, config.train.accumulate)
    options.check_training(config.train)
    with plain_disk_errors(run), plain_host_errors(distribution, run):
        if resume and distribution.is_chief:
            run.hold()
        try:
            return _train(
                config, run, resume, options, distribution, verbose if distribution.is_chief else 0, warn, check_stopped
            )
        finally:
            run.release()


def _train(config, run, resume, options, distribution, verbose, warn, check_stopped):
    pipeline = training_pipeline(config, options.cache, verbose, warn)
    steps = pipeline.steps_per_epoch
    data = {"steps_per_epoch": steps, "examples": pipeline.num_examples}
    # Before the hosts give each other their weights, which have to be of one shape.
    distribution.check_same(f"{data}, {config.without_locations()}")
    model = build_model(config, steps, distribution, options.semantics)
    saver = Checkpoints(run, data, options, writes=distribution.is_chief)
    if resume:
        saver.restore(model)
    distribution.check_same(f"step {model.steps_done}")
    recorders = _recorders(config, run, steps, options, model.steps_done) if distribution.is_chief else []
    if verbose:
        begun = f"goes on at step {model.steps_done}; " if model.steps_done else ""
        length = f"{config.train.total_epochs} epochs of {steps} steps"
        print(f"Run folder: {run.path}; {begun}{length}; {distribution}", flush=True)
    not_finite = ()
    with StopOnSignal(distribution) as stop:
        if check_stopped:
            check_stopped()
        # A kill between two of them repeats steps, but leaves no gap: what is recorded too early is forgotten again.
        callbacks = [*([FirstStep()] if verbose else []), StopOnNaN(), stop, *recorders, saver]
        try:
            with pipeline.plain_errors():
                _fit(model, pipeline, config.train.total_epochs, callbacks, verbose, distribution)
        except NotFiniteError as error:
            not_finite = error.names
        except StorageError:
            raise
        except UserError:  # the data's
            with contextlib.suppress(NotFiniteError):
                check_finite(model)
                saver.save()
            raise
    distribution.anywhere(False)  # no host calls itself finished before the last checkpoint is written
    return Outcome(model.steps_done, steps * config.train.total_epochs, stop.received, not_finite)


def _recorders(config, run, steps, options, step):
    """The callbacks that write what a person looks at; the configuration is written first."""
    sheet = sample_sheet(config)
    run.hold()
    run.write_config(config)
    writer = tf.summary.create_file_writer(str(run.tensorboard))
    history = History(run, steps, writer)
    history.forget_after(step)
    return [history, Samples(run, sheet, steps, writer, options.sample_every, config.train.total_epochs)]


def _fit(model, pipeline, epochs, callbacks, verbose, distribution):
    """Fits from the model's step to the last epoch; the rest of a broken epoch is a fit of its own."""
    steps = pipeline.steps_per_epoch
    epoch, done = divmod(model.steps_done, steps)
    options = {"callbacks": callbacks, "verbose": verbose, "shuffle": False}
    if done:
        data = distribution.distribute(lambda *place: pipeline.for_host(*place).epoch(epoch, start_step=done))
        model.fit(data, initial_epoch=epoch, epochs=epoch + 1, steps_per_epoch=steps - done, **options)
        if model.stop_training:
            return
        epoch += 1
    if epoch < epochs:
        data = distribution.distribute(lambda *place: pipeline.for_host(*place).stream(epoch))
        model.fit(data, initial_epoch=epoch, epochs=epochs, steps_per_epoch=steps, **options)
