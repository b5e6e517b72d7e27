"""CMP Facade Database: rectified photographs of facades, 12 classes beside class 0 that no pixel has."""

from dagan_tf.config import LabelSpec, ModelConfig, TrainConfig

MODEL = ModelConfig(num_classes=13, image_size=(1024, 1024))
LABELS = LabelSpec(
    num_classes=13,
    class_names=(
        "unlabelled", "background", "facade", "window", "door", "cornice", "sill", "balcony", "blind", "deco",
        "molding", "pillar", "shop",
    ),
    palette=(
        (0, 0, 0), (90, 140, 190), (205, 180, 145), (40, 70, 120), (120, 60, 30), (240, 220, 120), (170, 170, 170),
        (200, 60, 90), (70, 150, 90), (220, 130, 190), (245, 245, 235), (150, 110, 200), (235, 120, 40),
    ),
)  # fmt: skip
TRAIN = TrainConfig(epochs=50, decay_epochs=50, batch_size=4, load_scale=1054 / 1024)
