"""Cityscapes: streets seen from a car, with instance maps, twice as wide as high.

Class 34, the last, is "license plate": its id is -1, which a label file of 8 bits holds as 255. Several classes that
are not evaluated share a colour, as the data set has it.
"""

from dagan_tf.config import LabelSpec, ModelConfig, TrainConfig

# Names and colours by id, as the data set's own scripts have them.
_CLASSES = (
    ("unlabeled", (0, 0, 0)), ("ego vehicle", (0, 0, 0)), ("rectification border", (0, 0, 0)),
    ("out of roi", (0, 0, 0)), ("static", (0, 0, 0)), ("dynamic", (111, 74, 0)), ("ground", (81, 0, 81)),
    ("road", (128, 64, 128)), ("sidewalk", (244, 35, 232)), ("parking", (250, 170, 160)),
    ("rail track", (230, 150, 140)), ("building", (70, 70, 70)), ("wall", (102, 102, 156)),
    ("fence", (190, 153, 153)), ("guard rail", (180, 165, 180)), ("bridge", (150, 100, 100)),
    ("tunnel", (150, 120, 90)), ("pole", (153, 153, 153)), ("polegroup", (153, 153, 153)),
    ("traffic light", (250, 170, 30)), ("traffic sign", (220, 220, 0)), ("vegetation", (107, 142, 35)),
    ("terrain", (152, 251, 152)), ("sky", (70, 130, 180)), ("person", (220, 20, 60)), ("rider", (255, 0, 0)),
    ("car", (0, 0, 142)), ("truck", (0, 0, 70)), ("bus", (0, 60, 100)), ("caravan", (0, 0, 90)),
    ("trailer", (0, 0, 110)), ("train", (0, 80, 100)), ("motorcycle", (0, 0, 230)), ("bicycle", (119, 11, 32)),
    ("license plate", (0, 0, 142)),
)  # fmt: skip

MODEL = ModelConfig(num_classes=35, use_instance_edges=True, image_size=(256, 512), depth="more")
LABELS = LabelSpec(
    num_classes=35,
    unknown_id=255,
    class_names=tuple(name for name, _ in _CLASSES),
    palette=tuple(colour for _, colour in _CLASSES),
)
TRAIN = TrainConfig(epochs=100, decay_epochs=100, batch_size=8, load_scale=1.0)
