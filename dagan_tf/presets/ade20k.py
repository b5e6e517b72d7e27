"""ADE20K: scenes of all kinds, 150 classes. Files have 0 for unlabelled, which becomes a class of its own, the last."""

from dagan_tf.config import LabelSpec, ModelConfig, TrainConfig
from dagan_tf.palettes import distinct_colours

# The names of the scene parsing benchmark (objectInfo150), each in its first form, by their ids from 1 on.
_NAMES = """
wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person, earth, door, table,
mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field, armchair, seat,
fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard, chest of drawers, counter,
sand, sink, skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway, case, pool table, pillow,
screen door, stairway, river, bridge, bookcase, blind, coffee table, toilet, flower, book, hill, bench, countertop,
stove, palm, kitchen island, computer, swivel chair, boat, bar, arcade machine, hovel, bus, towel, light, truck, tower,
chandelier, awning, streetlight, booth, television, airplane, dirt track, apparel, pole, land, bannister, escalator,
ottoman, bottle, buffet, poster, stage, van, ship, fountain, conveyer belt, canopy, washer, plaything, swimming pool,
stool, barrel, basket, waterfall, tent, bag, minibike, cradle, oven, ball, food, step, tank, trade name, microwave,
pot, animal, bicycle, lake, dishwasher, screen, blanket, sculpture, hood, sconce, vase, traffic light, tray, ashcan,
fan, pier, crt screen, plate, monitor, bulletin board, shower, radiator, glass, clock, flag
"""
NAMES = tuple(" ".join(name.split()) for name in _NAMES.split(","))

MODEL = ModelConfig(num_classes=151, image_size=(256, 256))
LABELS = LabelSpec(
    num_classes=151,
    first_id=1,
    unknown_id=0,
    class_names=(*NAMES, "unlabelled"),
    palette=(*distinct_colours(150), (0, 0, 0)),
)
TRAIN = TrainConfig(epochs=100, decay_epochs=100, batch_size=8, load_scale=286 / 256)
