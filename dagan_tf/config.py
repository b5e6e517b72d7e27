"""What a model is (`ModelConfig`), what a dataset is (`LabelSpec`, `DataConfig`), how a run goes (`TrainConfig`), and
what it takes to carry it out (`RunOptions`).

Frozen dataclasses of plain values: they compare, print and go to JSON and back unchanged. Every field carries
its help text, from which the commands make their flags.
"""

import dataclasses
import json
import operator
from dataclasses import dataclass, field

from dagan_tf.errors import UserError, check_choice

ATTENTIONS = ("none", "sam", "cam1", "cam2", "sam+cam1", "sam+cam2")
DEPTHS = {"normal": 5, "more": 6, "most": 7}
CAM_LEVELS = ("all", "last")
PRECISIONS = ("float32", "bfloat16")
TRAINING_PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
STRATEGIES = ("auto", "none", "mirrored", "multi_worker")
XLA = ("auto", "on", "off")
LOSSES = ("g_hinge", "g_feature", "g_perceptual", "d_fake", "d_real")
SEMANTICS = ("auto", "dense", "patch_table")
DATASETS = ("facades", "folder", "procedural")
TFLITE_KINDS = ("float32", "float16", "dynamic", "int8")
LOCATIONS = ("data_dir", "label_dir", "image_dir", "instance_dir")


def _field(default, help, choices=None):
    """A dataclass field with the text and the choices that its command line flag shows."""
    metadata = {"help": help, "choices": choices}
    if default is dataclasses.MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


def _tuples(value):
    """JSON's lists as tuples, inside lists, too."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _size(value):
    """(height, width) of a pair of whole numbers, also NumPy's, or of one number."""
    try:
        size = tuple(map(operator.index, value if isinstance(value, tuple | list) else (value, value)))
    except TypeError:
        size = ()
    if len(size) != 2 or min(size) < 1:
        raise UserError(f"image_size must be (height, width), two whole numbers above 0. Received: {value!r}.")
    return size


class Config:
    """What the configurations share: JSON both ways and a comparison by field."""

    def to_dict(self):
        """The fields as a dictionary of JSON values (tuples become lists)."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, values):
        """The configuration of `to_dict`'s dictionary. Unknown and missing names raise `UserError`."""
        names = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(set(values) - names)
        if unknown:
            raise UserError(
                f"{cls.__name__} has no field {', '.join(unknown)}; its fields are {', '.join(sorted(names))}."
            )
        required = {f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING}
        missing = sorted(required - set(values))
        if missing:
            raise UserError(f"{cls.__name__} needs {', '.join(missing)}.")
        return cls(**{name: _tuples(value) for name, value in values.items()})

    def replace(self, **overrides):
        """The same configuration with some fields changed; an unknown name raises `UserError`."""
        return type(self).from_dict({**{f.name: getattr(self, f.name) for f in dataclasses.fields(self)}, **overrides})

    def _check_positive(self, *names):
        for name in names:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UserError(f"{name} must be a whole number of at least 1. Received: {value!r}.")


@dataclass(frozen=True)
class ModelConfig(Config):
    """What the two networks are. The defaults are the paper's final model (row B6 of Table 4) at full width."""

    num_classes: int = _field(dataclasses.MISSING, "classes of the label map, as the networks see them")
    image_size: tuple = _field(dataclasses.MISSING, "height and width of label map and image, in pixels")
    use_instance_edges: bool = _field(False, "add one input channel: the borders of the instance map")
    base_filters: int = _field(64, "width w of the generator: 16w channels at the head, w at the last block")
    discriminator_filters: int = _field(64, "channels of the first discriminator layer")
    num_discriminators: int = _field(2, "scales of the discriminator")
    depth: str = _field("normal", "upsamplings of the generator: 5, 6 or 7", tuple(DEPTHS))
    attention: str = _field("sam+cam2", "rows B1 to B6 of the paper's Table 4", ATTENTIONS)
    cam_levels: str = _field("all", "levels that Eq. 5 fuses: all (paper) or the last one (release)", CAM_LEVELS)
    cam_filters: int = _field(16, "channels to which each level is cut before Eq. 5 fuses it (cam_levels all)")
    spade_filters: int = _field(128, "hidden channels of every SPADE layer")

    def __post_init__(self):
        size = _size(self.image_size)
        check_choice("use_instance_edges", self.use_instance_edges, (True, False))
        object.__setattr__(self, "image_size", size)
        self._check_positive("num_classes", "base_filters", "discriminator_filters", "num_discriminators")
        self._check_positive("cam_filters", "spade_filters")
        check_choice("depth", self.depth, tuple(DEPTHS))
        check_choice("attention", self.attention, ATTENTIONS)
        check_choice("cam_levels", self.cam_levels, CAM_LEVELS)
        if self.depth == "most" and self.base_filters < 2:
            raise UserError("base_filters must be at least 2 for depth='most', whose last block has half. Received: 1.")
        factor = 2**self.upsamplings
        if any(s % factor for s in size):
            nearest = tuple(max(factor, round(s / factor) * factor) for s in size)
            raise UserError(
                f"image_size must be a multiple of {factor} in both directions, because depth={self.depth!r} doubles "
                f"the size {self.upsamplings} times. Received: {size[0]}x{size[1]}; the nearest that fits is "
                f"{nearest[0]}x{nearest[1]}."
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
class LabelSpec(Config):
    """How the label files of a dataset name its classes.

    An id in a file becomes class ``id - first_id``; `unknown_id`, where there is one, becomes the last class.
    """

    num_classes: int = _field(dataclasses.MISSING, "classes as the networks see them")
    first_id: int = _field(0, "the id in the files that is class 0")
    unknown_id: int | None = _field(None, "the id in the files that means unlabelled: it becomes the last class")
    class_names: tuple = _field((), "names by class, where known")
    palette: tuple = _field((), "colours by class as (red, green, blue), where the dataset has its own")


@dataclass(frozen=True)
class DataConfig(Config):
    """Where the examples of a run come from."""

    dataset: str = _field("facades", "where examples come from", DATASETS)
    data_dir: str | None = _field(None, "facades: an unpacked copy of the two zip files; without it they are fetched")
    label_dir: str | None = _field(None, "folder: label maps, grey or palette PNG with class ids")
    image_dir: str | None = _field(None, "folder: photographs with the same names")
    instance_dir: str | None = _field(None, "folder: instance maps with the same names, where the model reads edges")
    num_examples: int = _field(400, "procedural: facades to draw for training")

    def __post_init__(self):
        check_choice("dataset", self.dataset, DATASETS)
        self._check_positive("num_examples")
        if self.dataset == "folder" and not (self.label_dir and self.image_dir):
            raise UserError("The dataset folder needs --label-dir and --image-dir: your label maps and photographs.")
        meant_for = {"data_dir": "facades", "label_dir": "folder", "image_dir": "folder", "instance_dir": "folder"}
        for name, dataset in meant_for.items():
            if getattr(self, name) and self.dataset != dataset:
                flag = "--" + name.replace("_", "-")
                raise UserError(
                    f"{flag} is for --dataset {dataset}. Received: --dataset {self.dataset}. Change one of them."
                )


@dataclass(frozen=True)
class TrainConfig(Config):
    """How a run goes. The defaults are the paper's optimisation; presets set the recipe of each dataset."""

    epochs: int = _field(50, "epochs at the constant learning rates")
    decay_epochs: int = _field(50, "further epochs, over which the rates fall linearly to 0")
    batch_size: int = _field(4, "images in a step, over all devices")
    accumulate: int = _field(
        1, "parts of a device's share of a batch, one after the other: less memory; statistics of a part"
    )
    precision: str = _field("float32", "of the networks; weights and losses stay float32", TRAINING_PRECISIONS)
    generator_rate: float = _field(1e-4, "learning rate of the generator")
    discriminator_rate: float = _field(4e-4, "learning rate of the discriminator (two time scales)")
    beta_1: float = _field(0.0, "Adam's first moment decay")
    beta_2: float = _field(0.999, "Adam's second moment decay (paper 0.999, release 0.9)")
    feature_weight: float = _field(10.0, "weight of the feature matching loss")
    perceptual_weight: float = _field(10.0, "weight of the perceptual loss")
    perceptual: str = _field("imagenet", "VGG19 weights: imagenet (fetched), a file (.h5 or .npz), or off")
    ema: float = _field(0.0, "decay of the generator's moving average, for example 0.999; 0: none is kept")
    load_scale: float = _field(1054 / 1024, "images are read at this multiple of image_size, then cropped at random")
    flip: bool = _field(True, "mirror half of the training images")
    seed: int = _field(0, "seed of weights, data order, crops and flips")

    def __post_init__(self):
        self._check_positive("batch_size", "accumulate")
        check_choice("precision", self.precision, TRAINING_PRECISIONS)
        for name in ("epochs", "decay_epochs", "seed"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 0:
                raise UserError(f"{name} must be a whole number of at least 0. Received: {getattr(self, name)!r}.")
        if self.epochs + self.decay_epochs < 1:
            raise UserError("epochs + decay_epochs must be at least 1. Received: 0 + 0.")
        for name in ("generator_rate", "discriminator_rate"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} must be above 0. Received: {getattr(self, name)!r}.")
        for name in ("beta_1", "beta_2", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 0 and below 1. Received: {getattr(self, name)!r}.")
        for name in ("feature_weight", "perceptual_weight"):
            if not getattr(self, name) >= 0:
                raise UserError(f"{name} must be at least 0. Received: {getattr(self, name)!r}.")
        if not self.load_scale >= 1:
            raise UserError(
                f"load_scale must be at least 1: images are cropped from the load size. Received: {self.load_scale!r}."
            )

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
    xla: str = _field("auto", "compile the step with XLA; auto: on GPUs, but for --semantics patch_table", XLA)
    semantics: str = _field("auto", "how SPADE reads the label map: each distinct patch once, or densely", SEMANTICS)
    cache: str | None = _field(None, "folder to keep training examples in, decoded and resized: read anew each epoch")
    checkpoint_every: int = _field(1000, "steps between checkpoints, beside one at the end of every epoch")
    keep: int = _field(2, "newest checkpoints to keep")
    best: str = _field("g_feature", "loss by whose mean over an epoch the best checkpoint is kept, too", LOSSES)
    sample_every: int = _field(5, "epochs between sample sheets")

    def __post_init__(self):
        self._check_positive("checkpoint_every", "keep", "sample_every")
        if self.devices != "all" and not (self.devices.isdecimal() and int(self.devices) > 0):
            raise UserError(f"devices must be a number of at least 1, or all. Received: {self.devices}.")
        check_choice("strategy", self.strategy, STRATEGIES)
        check_choice("xla", self.xla, XLA)
        check_choice("semantics", self.semantics, SEMANTICS)
        check_choice("best", self.best, LOSSES)
        if self.strategy == "none" and self.devices not in ("all", "1"):
            raise UserError(
                f"Several devices need a strategy. Received: --strategy none --devices {self.devices}. Give --devices "
                "1, or --strategy auto."
            )

    def check_losses(self, train):
        """Raises `UserError` if "best" goes by a loss that a `TrainConfig` has not."""
        if self.best == "g_perceptual" and train.perceptual == "off":
            raise UserError("There is no perceptual loss to find the best checkpoint by: give another --best.")


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run's numbers, as it is written to the run folder."""

    model: ModelConfig
    dataset: LabelSpec
    data: DataConfig
    train: TrainConfig

    def to_dict(self):
        """A dictionary of the parts' dictionaries."""
        return {f.name: getattr(self, f.name).to_dict() for f in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, values):
        """The configuration of `to_dict`'s dictionary; what does not fit raises `UserError`."""
        missing = [f.name for f in dataclasses.fields(cls) if f.name not in values]
        if missing:
            raise UserError(f"A run's configuration has the parts model, dataset, data and train; missing: {missing}.")
        return cls(**{f.name: f.type.from_dict(values[f.name]) for f in dataclasses.fields(cls)})

    def without_locations(self):
        """`to_dict`'s dictionary without where data lies: hosts may have it in other places."""
        return {
            part: {k: v for k, v in values.items() if k not in LOCATIONS} for part, values in self.to_dict().items()
        }

    def differences(self, other):
        """The fields in which another run differs: a list of `(part.field, this value, the other's value)`.

        Where the same data lies is no difference: folders may move while a run rests.
        """
        mine, theirs = self.without_locations(), other.without_locations()
        return [
            (f"{part}.{name}", value, theirs[part][name])
            for part, values in mine.items()
            for name, value in values.items()
            if value != theirs[part][name]
        ]
