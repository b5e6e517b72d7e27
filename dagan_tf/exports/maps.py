"""Label maps for exports: drawn ones to check a model with, those of its data to calibrate and measure TFLite with."""

import numpy as np

from dagan_tf.data.datasets import open_source
from dagan_tf.data.folder import FolderSource
from dagan_tf.data.pipeline import Pipeline
from dagan_tf.errors import UserError

CALIBRATION, MEASURED = 32, 4
RECTANGLES = 20


def drawn(config, count=2):
    """Label maps of rectangles, for which no data is needed.

    Args:
        config: a `ModelConfig`.
        count: how many.

    Returns:
        A batch dictionary: `"label"` int32 (B, H, W), and `"instance"` if the model reads edges.
    """
    rng = np.random.default_rng(0)
    label = np.zeros((count, *config.image_size), np.int32)
    for image in label:
        for _ in range(RECTANGLES):
            (top, left), (height, width) = rng.integers(0, config.image_size), rng.integers(1, config.image_size)
            image[top : top + height, left : left + width] = rng.integers(config.num_classes)
    return {"label": label} | ({"instance": label} if config.use_instance_edges else {})


def of_run(config, size, data_dir=None, labels=None, instances=None):
    """The label maps with which TFLite files are calibrated, and those on which exports are measured.

    Args:
        config: the `RunConfig`.
        size: (height, width) that they are brought to.
        data_dir: where the facades of the run are now, if they moved.
        labels, instances: folders to take in place of the run's data.

    Returns:
        `(batch, batch, split)`: two batch dictionaries, and "test", or "training" if there is no test split.

    Raises:
        UserError: the label maps cannot be had, or instance maps are missing.
    """

    def source(split):
        if labels:
            return FolderSource(labels, instance_dir=instances, spec=config.labels) if split == "train" else None
        if config.data is None:
            raise UserError("The weights were converted, not trained here: there are no data of the run.")
        data = config.data if data_dir is None else config.data.replace(data_dir=data_dir)
        return open_source(data, config.labels, split=split, size=size, seed=config.train.seed)

    try:
        train, test = source("train"), source("test")
    except UserError as error:
        raise UserError(
            f"The label maps with which this export is calibrated and measured could not be had. {error} Or give a "
            "folder of label maps: `labels`."
        ) from error
    calibration = _first(train, size, CALIBRATION)
    if config.model.use_instance_edges and "instance" not in calibration:
        raise UserError("This model reads instance edges: give `instances` beside `labels`.")
    if test is None:
        return calibration, {key: maps[:MEASURED] for key, maps in calibration.items()}, "training"
    return calibration, _first(test, size, MEASURED), "test"


def _first(source, size, count):
    pipeline = Pipeline(source, size, min(count, len(source)), training=False)
    with pipeline.plain_errors():
        batch = next(iter(pipeline.epoch()))
    return {key: batch[key].numpy() for key in ("label", "instance") if key in batch}
