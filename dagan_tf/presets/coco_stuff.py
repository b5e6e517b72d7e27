"""COCO-Stuff: everyday scenes with instance maps, 182 classes and one for unlabelled pixels."""

from dagan_tf.config import LabelSpec, ModelConfig, TrainConfig

MODEL = ModelConfig(num_classes=183, use_instance_edges=True, image_size=(256, 256))
LABELS = LabelSpec(num_classes=183, unknown_id=255)
TRAIN = TrainConfig(epochs=50, decay_epochs=50, batch_size=32, load_scale=286 / 256)
