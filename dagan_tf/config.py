"""What a model is (`ModelConfig`), how it is trained (`TrainConfig`), and what it takes to carry a run out
(`RunOptions`).

Where its examples come from and what their labels mean (`DataConfig`, `LabelSpec`) stands in modules of its own.

Frozen dataclasses of plain values: they compare, print and go to JSON and back unchanged. Every field carries its help
text, from which the commands make their flags. Messages and help texts name fields in backticks, which a command shows
as its flags (see `cli.with_flags`).
"""

import dataclasses
import math
from dataclasses import dataclass

from dagan_tf.data_config import LOCATIONS, DataConfig
from dagan_tf.errors import UserError, check_choice
from dagan_tf.fields import Config, size_of
from dagan_tf.fields import field as _field
from dagan_tf.labels import LabelSpec

BACKBONES = ("spade",)
"""`dagan_tf.networks.backbones` has a module of that name for each."""
ATTENTIONS = ("none", "sam", "cam1", "cam2", "sam+cam1", "sam+cam2")
DEPTHS = {"normal": 5, "more": 6, "most": 7}
CAM_LEVELS = ("all", "last")
PRECISIONS = ("float32", "bfloat16")
TRAINING_PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
STRATEGIES = ("auto", "none", "mirrored", "multi_worker")
XLA = ("auto", "on", "off")
MOST_JITTER = 4
LOSSES = ("g_hinge", "g_feature", "g_perceptual", "d_fake", "d_real")
SEMANTICS = ("auto", "dense", "patch_table")
TFLITE_KINDS = ("float32", "float16", "dynamic", "int8")


@dataclass(frozen=True)
class ModelConfig(Config):
    """What the two networks are. The defaults are the paper's final model (row B6 of Table 4) at full width."""

    num_classes: int = _field(dataclasses.MISSING, "classes of the label map, the unknown one included")
    image_size: tuple = _field(dataclasses.MISSING, "HEIGHTxWIDTH of label map and image, or one number for both")
    use_instance_edges: bool = _field(False, "add one input channel: the borders of the instance map")
    backbone: str = _field("spade", "what makes feature maps of a label map", BACKBONES)
    base_filters: int = _field(64, "width w of the generator: 16w channels at the head, w at the last block")
    discriminator_filters: int = _field(64, "channels of the first discriminator layer")
    num_discriminators: int = _field(2, "scales of the discriminator")
    depth: str = _field("normal", "upsamplings of the generator: 5, 6 or 7", tuple(DEPTHS))
    attention: str = _field("sam+cam2", "rows B1 to B6 of the paper's Table 4", ATTENTIONS)
    cam_levels: str = _field(
        "all", "levels that Eq. 5 fuses: all (paper) or the last one (the authors' code)", CAM_LEVELS
    )
    cam_filters: int = _field(16, "channels to which each level is cut before Eq. 5 fuses it (`cam_levels` all)")
    spade_filters: int = _field(128, "hidden channels of every SPADE layer")

    def __post_init__(self):
        size = size_of(self.image_size)
        check_choice("use_instance_edges", self.use_instance_edges, (True, False))
        object.__setattr__(self, "image_size", size)
        self._check_positive("num_classes", "base_filters", "discriminator_filters", "num_discriminators")
        self._check_positive("cam_filters", "spade_filters")
        choices = {"backbone": BACKBONES, "depth": tuple(DEPTHS), "attention": ATTENTIONS, "cam_levels": CAM_LEVELS}
        for name, values in choices.items():
            check_choice(name, getattr(self, name), values)
        if self.depth == "most" and self.base_filters < 2:
            raise UserError(
                "`base_filters` must be at least 2 for `depth` most, whose last block has half. Received: 1."
            )
        factor = 2**self.upsamplings
        if any(s % factor for s in size):
            nearest = tuple(max(factor, round(s / factor) * factor) for s in size)
            raise UserError(
                f"`image_size` must be a multiple of {factor} in both directions, because `depth` {self.depth} doubles "
                f"the size {self.upsamplings} times. Received: {size[0]}x{size[1]} (height x width); the nearest that "
                f"fits is {nearest[0]}x{nearest[1]}."
            )

    @property
    def upsamplings(self):
        """How often the generator doubles the size between its head and the image."""
        return DEPTHS[self.depth]

    @property
    def semantic_channels(self):
        """Channels of the one-hot map, with the edge channel where it is used."""
        return self.num_classes + int(self.use_instance_edges)


@dataclass(frozen=True)
class TrainConfig(Config):
    """How a run goes. The defaults are the paper's optimisation; presets set the recipe of each dataset."""

    epochs: int = _field(50, "epochs at the constant learning rates")
    decay_epochs: int = _field(50, "further epochs, over which the rates fall linearly to 0")
    batch_size: int = _field(4, "images in a step, over all devices")
    accumulate: int = _field(
        1, "micro-batches of a batch on each device (gradient accumulation): less memory; batch statistics of each"
    )
    precision: str = _field("float32", "of the networks; weights and losses stay float32", TRAINING_PRECISIONS)
    generator_rate: float = _field(1e-4, "learning rate of the generator")
    discriminator_rate: float = _field(4e-4, "learning rate of the discriminator (two time scales)")
    beta_1: float = _field(0.0, "Adam's first moment decay")
    beta_2: float = _field(0.999, "Adam's second moment decay (paper 0.999, the authors' code 0.9)")
    feature_weight: float = _field(10.0, "weight of the feature matching loss")
    perceptual_weight: float = _field(10.0, "weight of the perceptual loss")
    perceptual: str = _field("imagenet", "VGG19 weights: imagenet (fetched), a file (.h5 or .npz), or off")
    ema: float = _field(0.0, "decay of the generator's moving average, for example 0.999; 0: none is kept")
    load_scale: float = _field(1054 / 1024, "images are read at this multiple of `image_size`, then cropped at random")
    flip: bool = _field(True, "mirror half of the training images")
    scale_jitter: float = _field(
        0.0, "enlarge each image by up to this share more before it is cropped, at random, for example 0.2 (paper: 0)"
    )
    colour_jitter: float = _field(
        0.0,
        "vary brightness, contrast and saturation of the photo alone by up to this share, for example 0.2 (paper: 0)",
    )
    seed: int = _field(0, "seed of weights, data order, crops and flips")

    def __post_init__(self):
        self._check_positive("batch_size", "accumulate")
        check_choice("precision", self.precision, TRAINING_PRECISIONS)
        for name in ("epochs", "decay_epochs", "seed"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 0:
                raise UserError(f"`{name}` must be a whole number of at least 0. Received: {getattr(self, name)!r}.")
        if self.epochs + self.decay_epochs < 1:
            raise UserError("`epochs` + `decay_epochs` must be at least 1. Received: 0 + 0.")
        for name in ("generator_rate", "discriminator_rate"):
            if not getattr(self, name) > 0:
                raise UserError(f"`{name}` must be above 0. Received: {getattr(self, name)!r}.")
        for name in ("beta_1", "beta_2", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"`{name}` must be at least 0 and below 1. Received: {getattr(self, name)!r}.")
        for name in ("feature_weight", "perceptual_weight"):
            if not getattr(self, name) >= 0:
                raise UserError(f"`{name}` must be at least 0. Received: {getattr(self, name)!r}.")
        if not 0 <= self.scale_jitter <= MOST_JITTER:
            raise UserError(
                f"`scale_jitter` must be at least 0 and at most {MOST_JITTER}. Received: {self.scale_jitter!r}."
            )
        if not 0 <= self.colour_jitter < 1:
            raise UserError(f"`colour_jitter` must be at least 0 and below 1. Received: {self.colour_jitter!r}.")
        if not 1 <= self.load_scale < math.inf:
            raise UserError(
                "`load_scale` must be at least 1: images are cropped from the load size. Received: "
                f"{self.load_scale!r}."
            )

    @property
    def perceptual_file(self):
        """The path of the VGG19 weights, where they are a file's, else `None`."""
        return None if self.perceptual in ("imagenet", "off") else self.perceptual

    @property
    def total_epochs(self):
        """Constant and decaying epochs together."""
        return self.epochs + self.decay_epochs


@dataclass(frozen=True)
class RunOptions(Config):
    """How a run is carried out. Nothing here changes its numbers, but for the order of sums: any may change when it
    resumes."""

    devices: str = _field("all", "GPUs of this machine, a number or all; without GPUs, logical CPUs (all: one)")
    strategy: str = _field("auto", "of tf.distribute; auto: by the devices and by TF_CONFIG", STRATEGIES)
    xla: str = _field("auto", "compile the step with XLA; auto: on GPUs, but for `semantics` patch_table", XLA)
    semantics: str = _field(
        "auto",
        "how SPADE reads the label map: each distinct patch once (patch_table), or as a one-hot map (dense)",
        SEMANTICS,
    )
    cache: str | None = _field(None, "folder to keep training examples in, decoded and resized: read anew each epoch")
    max_pixels: int = _field(178_956_970, "pixels that a picture file may have, against files made to fill the memory")
    checkpoint_every: int = _field(1000, "steps between checkpoints, beside one at the end of every epoch")
    keep: int = _field(2, "newest checkpoints to keep")
    best: str = _field("g_feature", "loss by whose mean over an epoch the best checkpoint is kept, too", LOSSES)
    sample_every: int = _field(5, "epochs between sample sheets")

    def __post_init__(self):
        self._check_positive("checkpoint_every", "keep", "sample_every", "max_pixels")
        if self.devices != "all" and not (self.devices.isdecimal() and int(self.devices) > 0):
            raise UserError(f"`devices` must be a number of at least 1, or all. Received: {self.devices}.")
        check_choice("strategy", self.strategy, STRATEGIES)
        check_choice("xla", self.xla, XLA)
        check_choice("semantics", self.semantics, SEMANTICS)
        check_choice("best", self.best, LOSSES)
        if self.strategy == "none" and self.devices not in ("all", "1"):
            raise UserError(
                f"Several devices need a strategy. Received: `strategy` none, `devices` {self.devices}. Give `devices` "
                "1, or `strategy` auto."
            )
        if self.xla == "on" and self.semantics == "patch_table":
            raise UserError(
                "XLA cannot compile the patch table. Received: `xla` on and `semantics` patch_table. Change one of "
                "them."
            )

    def check_training(self, train):
        """Raises `UserError` for what a run of this `TrainConfig` cannot have: a loss for the best, cached sizes."""
        if self.cache and train.scale_jitter:
            raise UserError(
                "`cache` keeps examples at one size. Received: `scale_jitter`, which needs many. Leave out one of them."
            )
        if self.best == "g_perceptual" and train.perceptual == "off":
            raise UserError(
                "There is no perceptual loss to find the best checkpoint by. Received: `best` g_perceptual, "
                "`perceptual` off. Change one of them."
            )


@dataclass(frozen=True)
class RunConfig(Config):
    """Everything that decides a run's numbers, as it is written to the run folder.

    `data` is `None` where nothing says where examples are: nothing can be trained then.
    """

    model: ModelConfig
    labels: LabelSpec
    data: DataConfig | None
    train: TrainConfig

    def __post_init__(self):
        if self.model.num_classes != self.labels.num_classes:
            raise UserError(
                "Networks and label files must have the same number of classes. Received: `num_classes` "
                f"{self.model.num_classes} of the networks, {self.labels.num_classes} of the label files."
            )
        if self.data and self.model.use_instance_edges and not self.data.has_instances:
            raise UserError(
                "The model reads instance edges, but the data has no instance maps. Received: `use_instance_edges` "
                f"with `dataset` {self.data.dataset}. Give `instance_dir`, or train without the edges."
            )

    def without_locations(self):
        """Every field that decides numbers: a dictionary of "model.image_size" and the like to JSON values.

        It leaves out where data and weights lie, which may be another place on another host, or when a run goes on,
        and the names of classes.
        """
        fields = {
            f"{part}.{name}": value
            for part, values in self.to_dict().items()
            for name, value in (values or {}).items()
            if name not in (*LOCATIONS, "class_names")
        }
        if self.train.perceptual_file:
            fields["train.perceptual"] = "a file"
        return fields

    def differences(self, other):
        """The fields in which another run differs: a list of `(part.field, this value, the other's value)`.

        Where the same data lies is no difference: folders may move while a run rests.
        """
        mine, theirs = self.without_locations(), other.without_locations()
        found = [(name, mine.get(name), theirs.get(name)) for name in {**mine, **theirs}]
        # By colours label maps in colours are read; a run that had none of them has grey ones.
        plain = {"labels.palette"} if not (self.labels.palette and other.labels.palette) else set()
        return [(name, old, new) for name, old, new in found if old != new and name not in plain]
