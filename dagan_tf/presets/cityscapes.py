"""Cityscapes: streets seen from a car, with instance maps, twice as wide as high."""

from dagan_tf.config import LabelSpec, ModelConfig, TrainConfig

MODEL = ModelConfig(num_classes=35, use_instance_edges=True, image_size=(256, 512), depth="more")
LABELS = LabelSpec(num_classes=35, unknown_id=255)
TRAIN = TrainConfig(epochs=100, decay_epochs=100, batch_size=8, load_scale=1.0)
