"""CelebAMask-HQ: faces, 19 classes of skin, hair, clothes and the parts of a face.

Names are those of the files of the parts: l_ and r_ are the person's left and right (except u_lip and l_lip, the upper
and the lower), eye_g are eyeglasses, ear_r is an earring, neck_l a necklace, mouth the inside between the lips.
"""

from dagan_tf.config import LabelSpec, ModelConfig, TrainConfig
from dagan_tf.palettes import distinct_colours

MODEL = ModelConfig(num_classes=19, image_size=(512, 512))
LABELS = LabelSpec(
    num_classes=19,
    class_names=(
        "background", "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth",
        "u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth",
    ),
    palette=((0, 0, 0), *distinct_colours(18)),
)  # fmt: skip
# Mirroring would swap left and right eyes, brows and ears, which are classes of their own.
TRAIN = TrainConfig(epochs=50, decay_epochs=50, batch_size=16, load_scale=1.0, flip=False)
