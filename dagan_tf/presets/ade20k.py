"""ADE20K: scenes of all kinds, 150 classes. Files have 0 for unlabelled, which becomes a class of its own, the last."""

from dagan_tf.config import LabelSpec, ModelConfig, TrainConfig

MODEL = ModelConfig(num_classes=151, image_size=(256, 256))
LABELS = LabelSpec(num_classes=151, first_id=1, unknown_id=0)
TRAIN = TrainConfig(epochs=100, decay_epochs=100, batch_size=8, load_scale=286 / 256)
