"""CelebAMask-HQ: faces, 19 classes of skin, hair, clothes and the parts of a face."""

from dagan_tf.config import LabelSpec, ModelConfig, TrainConfig

MODEL = ModelConfig(num_classes=19, image_size=(512, 512))
LABELS = LabelSpec(num_classes=19)
# Mirroring would swap left and right eyes, brows and ears, which are classes of their own.
TRAIN = TrainConfig(epochs=50, decay_epochs=50, batch_size=16, load_scale=1.0, flip=False)
