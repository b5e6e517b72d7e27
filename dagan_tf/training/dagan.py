"""`DAGAN`: both networks, their losses and optimizers in one `keras.Model` with its training step."""

import keras
import numpy as np
import tensorflow as tf

from dagan_tf import losses
from dagan_tf.backend import check_settings, require_tensorflow, shared_traces
from dagan_tf.config import LOSSES, ModelConfig
from dagan_tf.errors import UserError
from dagan_tf.images import to_uint8
from dagan_tf.networks import Discriminator, Generator
from dagan_tf.networks.keras_files import KerasFiles
from dagan_tf.presets import get_preset
from dagan_tf.training.arrays import check_arrays
from dagan_tf.training.batches import assert_classes, assert_values, batch_of, maps_of_whole_numbers
from dagan_tf.training.calls import PlainCalls
from dagan_tf.training.compiling import check_keywords, two_optimizers
from dagan_tf.training.rates import BothOptimizers
from dagan_tf.training.replicas import as_logs, mean_over_replicas
from dagan_tf.training.slots import KeptSlots, check_average
from dagan_tf.training.step import Drawn, accumulated_step, whole_step


@keras.saving.register_keras_serializable(package="dagan_tf")
class DAGAN(PlainCalls, KerasFiles):
    """Dual attention GAN: `compile`, `fit`, `evaluate`, `predict` as every Keras model, and `generate`.

    The weights exist when the constructor returns. Data come in any of these forms, the images for training and
    evaluation:

    | method | x, and where it is told apart y |
    |---|---|
    | `fit`, `evaluate` | dictionaries `{"label", "image"[, "instance"]}` of arrays; `x=labels, y=images` |
    | | a `Pipeline` |
    | | a `tf.data.Dataset`, generator or `PyDataset` of batches: such dictionaries, or pairs `(label, image)` |
    | `train_on_batch`, `test_on_batch` | one batch of arrays: a dictionary, or `x=labels, y=images` |
    | `predict` | all of these, images left out or not; label maps alone where there are no instance edges |
    | `model(x)`, `model.generator(x)` | a dictionary of maps, or label maps alone where there are no instance edges |
    | `generate` | label maps, a single one, too |

    | entry | shape | values |
    |---|---|---|
    | `"label"` | (B, H, W) or (B, H, W, 1) | classes 0..num_classes-1: integers, whole floats, bool for two classes |
    | `"instance"` | as `"label"` | ids of any number, where the configuration uses instance edges |
    | `"image"` | (B, H, W, 3) | floats in [-1, 1], or uint8 in 0..255, which is scaled |

    Args:
        config: a `ModelConfig`.
        ema: decay of a moving average of the generator, batch statistics included; 0 keeps none. Where it is kept,
            `predict` and `generate` use it.
        semantics: how the networks read the label map, see `Semantics`; it changes no number.

    Attributes:
        generator, discriminator: the networks.
        ema_generator: the averaged generator, or `None`.
        step: training steps done; saved with the weights.
    """

    def __init__(self, config, ema=0.0, semantics="auto", name="dagan", **kwargs):
        require_tensorflow("Training")
        check_settings()
        super().__init__(name=name, autocast=False, **kwargs)  # labels and images go to the networks as they are
        self.config = config
        self.ema = ema
        self.semantics = semantics
        options = {"semantics": semantics, "dtype": self.dtype_policy}
        self.generator = Generator(config, name="generator", **options)
        self.discriminator = Discriminator(config, name="discriminator", **options)
        self.ema_generator = None
        if ema:
            self.ema_generator = Generator(config, name="ema_generator", **options)
            self.ema_generator.set_weights(self.generator.get_weights())
            self.ema_generator.trainable = False
        self.step = self.add_weight(name="step", shape=(), dtype="int64", initializer="zeros", trainable=False)
        self.perceptual_features = None
        self.generator_optimizer, self.discriminator_optimizer = KeptSlots("generator"), KeptSlots("discriminator")
        self.built = True

    @classmethod
    def from_preset(cls, preset, ema=0.0, semantics="auto", dtype=None, **overrides):
        """A model for one of the paper's datasets, with fresh weights.

        Args:
            preset: "facades", "cityscapes", "ade20k", "celebamask_hq" or "coco_stuff".
            ema, semantics: as in the constructor.
            dtype: of the networks, for example "mixed_bfloat16"; `None`: Keras' global policy.
            **overrides: fields of `ModelConfig`, for example `image_size=(128, 128), base_filters=16`.

        Raises:
            UserError: an unknown preset or field, or values that do not fit together.
        """
        return cls(get_preset(preset).model.replace(**overrides), ema=ema, semantics=semantics, dtype=dtype)

    @property
    def optimizers(self):
        """The generator's and the discriminator's, once compiled: a list."""
        return [self.generator_optimizer, self.discriminator_optimizer] if self.compiled else []

    @property
    def steps_done(self):
        """`step` as a number, also of a variable that several replicas have."""
        return int(self.step.numpy())

    @property
    def inference_generator(self):
        """The generator that makes pictures: the moving average where there is one."""
        return self.generator if self.ema_generator is None else self.ema_generator

    def compile(
        self,
        generator_optimizer=None,
        discriminator_optimizer=None,
        perceptual_features=None,
        feature_weight=10.0,
        perceptual_weight=10.0,
        jit_compile=False,
        accumulate=1,
        **kwargs,
    ):
        """Sets optimizers and losses. Without arguments: the paper's, with constant rates and no perceptual loss.

        Args:
            generator_optimizer, discriminator_optimizer: Keras optimizers or their names; `None`: Adam with rate 1e-4
                and 4e-4, beta1 0, beta2 0.999. Callbacks that set a learning rate set both, see `BothOptimizers`.
            perceptual_features: a `VGG19Features`, or `None` for no perceptual loss.
            feature_weight, perceptual_weight: weights of the two losses beside the hinge loss's 1.
            jit_compile: compile the step with XLA; worth it on GPUs, without a strategy of several replicas. XLA leaves
                out the checks of values inside the step, of ids and of the range of images; of arrays, of `generate`
                and of `FolderSource` they are checked before.
            accumulate: gradient accumulation: micro-batches in a batch, which go through the networks one after the
                other, their gradients averaged. The step of a batch takes the memory of a micro-batch. Batch statistics
                are those of a micro-batch, and each of them moves the generator's running statistics and singular
                vectors once, the discriminator's once for either update, as a whole batch does. The examples that a
                replica gets of a batch must be a multiple of it.
            **kwargs: `run_eagerly`, `steps_per_execution` of `keras.Model.compile`.

        Raises:
            UserError: arguments that only a model of one network and one loss can have.
        """
        if accumulate < 1:
            raise UserError(f"`accumulate` must be a whole number of at least 1. Received: {accumulate!r}.")
        check_keywords(kwargs)
        optimizers = two_optimizers(self, generator_optimizer, discriminator_optimizer)
        kept = self.generator_optimizer, self.discriminator_optimizer
        super().compile(optimizer=None, loss=None, jit_compile=jit_compile, **kwargs)
        self.generator_optimizer, self.discriminator_optimizer = optimizers
        for slots, optimizer in zip(kept, optimizers, strict=True):
            if isinstance(slots, KeptSlots):
                slots.give_to(optimizer)
        self.optimizer = BothOptimizers(*optimizers)
        self.perceptual_features = perceptual_features
        self.feature_weight = feature_weight
        self.perceptual_weight = perceptual_weight
        self.accumulate = accumulate
        self.loss_trackers = [keras.metrics.Mean(name=name) for name in LOSSES]

    def _maybe_symbolic_build(self, *args, **kwargs):
        """Nothing: all is built. Keras would draw a batch for it, on several hosts not the same number on each."""

    def get_compile_config(self):
        """Nothing: a model loaded from a `.keras` file is compiled anew, with its optimizers and VGG19."""
        return None

    def call(self, inputs, training=False):
        maps = maps_of_whole_numbers(inputs, self.config)
        with tf.control_dependencies([assert_classes(maps["label"], self.config.num_classes)]):
            return self.inference_generator(maps, training=training)

    def generate(self, label, instance=None, batch_size=8):
        """Pictures for label maps.

        Args:
            label: (H, W), (B, H, W) or (B, H, W, 1), classes 0..num_classes-1, see the class.
            instance: ids of the same shape, if the configuration uses instance edges.
            batch_size: label maps in one call of the generator.

        Returns:
            uint8 array (H, W, 3) or (B, H, W, 3).

        Raises:
            UserError: ids outside the classes, another size than the configuration's, or no instance map where one
                is needed.
        """
        maps = {"label": label} | ({} if instance is None else {"instance": instance})
        maps = {name: np.asarray(value) for name, value in maps.items()}
        single = maps["label"].ndim == 2
        batch = {name: value[None] if value.ndim == 2 else value for name, value in maps.items()}
        check_arrays(batch, None, None, self.config, images=False)
        batch = {name: value.astype("int32") for name, value in batch.items()}  # one dtype, so one trace for all
        images = to_uint8(self.predict(batch, batch_size=batch_size, verbose=0))
        return images[0] if single else images

    @tf.autograph.experimental.do_not_convert  # it has nothing to convert, and looking for it takes long
    def train_step(self, data):
        """One alternating update: discriminator on the detached image, then generator through the new discriminator."""
        batch = batch_of(data, self.config)
        # Nothing may move, not even a step count or a singular vector, before the batch is there and valid.
        checks = assert_values(batch, self.config, tell=self.step == 0)
        with tf.control_dependencies(checks), shared_traces():
            values = whole_step(self, batch) if self.accumulate == 1 else accumulated_step(self, batch)
            self.step.assign_add(1)
            if self.ema_generator is not None:
                self._update_average()
            return self._track(mean_over_replicas(values))

    def drawn(self, batch, fake):
        """The `Drawn` of a batch dictionary and the generator's images of it (B, H, W, 3), for the losses below."""
        return Drawn(self.discriminator.levels(self.generator.read(batch)), batch["image"], fake)

    def discriminator_losses(self, drawn, training=False):
        """Hinge terms on the detached image and the batch's own: float32 scalars `(fake, real)`."""
        fake = tf.stop_gradient(drawn.fake)
        features = self.discriminator.judge(drawn.levels, tf.concat([fake, drawn.real], axis=0), training=training)
        size = tf.shape(fake)[0]
        return losses.hinge_discriminator(
            [scale[-1][:size] for scale in features], [scale[-1][size:] for scale in features]
        )

    def generator_losses(self, drawn, training=False):
        """The generator's weighted losses for its image: a dictionary of float32 scalars."""
        fake_features = self.discriminator.judge(drawn.levels, drawn.fake, training=training)
        # The same singular vectors as in the pass before: both passes belong to one power iteration.
        real_features = self.discriminator.judge(drawn.levels, drawn.real)
        values = {
            "g_hinge": losses.hinge_generator([scale[-1] for scale in fake_features]),
            "g_feature": self.feature_weight * losses.feature_matching(fake_features, real_features),
        }
        extractor = self.perceptual_features
        if extractor is not None:
            distance = losses.perceptual(extractor(drawn.fake), extractor(drawn.real), extractor.tap_weights)
            values["g_perceptual"] = self.perceptual_weight * distance
        return values

    def _update_average(self):
        """Moves the averaged generator, batch statistics included; its decay rises over the first steps."""
        done = tf.cast(self.step, "float32")
        weight = 1.0 - tf.minimum(self.ema, (1.0 + done) / (10.0 + done))
        for average, variable in zip(self.ema_generator.variables, self.generator.variables, strict=True):
            if average.name in ("u", "v"):  # unit vectors: their mean would not be one
                average.assign(variable)
            else:
                now = tf.convert_to_tensor(average.value)  # read once: each operator would read it
                average.assign(now + weight * (tf.convert_to_tensor(variable.value) - now))

    def test_step(self, data):
        """The losses of inference-mode pictures; nothing is updated."""
        batch = batch_of(data, self.config)
        assert_values(batch, self.config)
        fake = self(batch, training=False)
        drawn = self.drawn(batch, fake)
        d_fake, d_real = self.discriminator_losses(drawn)
        return self._track(mean_over_replicas({"d_fake": d_fake, "d_real": d_real, **self.generator_losses(drawn)}))

    def _track(self, values):
        tracked = [tracker for tracker in self.loss_trackers if tracker.name in values]
        for tracker in tracked:
            tracker.update_state(values[tracker.name])
        return as_logs({tracker.name: tracker.result() for tracker in tracked})

    def restore_losses(self, means, steps):
        """Sets the running means of the losses, a dictionary of floats, to those after so many steps of an epoch."""
        replicas = self.distribute_strategy.num_replicas_in_sync
        for tracker in self.loss_trackers:
            if tracker.name in means:
                # Assigned to all replicas together, a sum is divided among them; each of them has the whole.
                tracker.total.assign(means[tracker.name] * steps * replicas)
                tracker.count.assign(steps * replicas)

    def load_weights(self, filepath, *args, **kwargs):
        """Loads weights, and what is saved of optimizers, out of `.weights.h5` or `.keras`.

        Raises:
            UserError: another kind of file, or one with a moving average where this model has none, or without.
        """
        check_average(filepath, self.ema_generator is not None)
        super().load_weights(filepath, *args, **kwargs)
        if self.compiled:
            self.optimizer = BothOptimizers(*self.optimizers)  # in the ratio of the rates that were loaded

    def export(self, filepath, format="tf_saved_model", labels=None, **kwargs):
        """Exports the generator that makes pictures, see `Generator.export`."""
        from dagan_tf.exports import keras_export  # above the model, where Keras has this method

        weights = "generator" if self.ema_generator is None else "moving average"
        known = {"step": self.steps_done, "weights": weights}
        return keras_export.export(self.inference_generator, filepath, format, labels, **known, **kwargs)

    def get_config(self):
        return {**super().get_config(), "config": self.config.to_dict(), "ema": self.ema, "semantics": self.semantics}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "config": ModelConfig.from_dict(config["config"])})
