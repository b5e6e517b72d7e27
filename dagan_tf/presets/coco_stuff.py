"""COCO-Stuff: everyday scenes with instance maps, 182 classes and one for unlabelled pixels.

Pixels of the files are ids of COCO less 1, so that 0 is person and 181 wood. No pixel has one of the 11 classes that
were taken out of COCO (street sign, hat, shoe, eye glasses, plate, mirror, window, desk, door, blender, hair brush),
but they keep their ids.
"""

from dagan_tf.config import LabelSpec, ModelConfig, TrainConfig
from dagan_tf.palettes import distinct_colours

# COCO's names of things and COCO-Stuff's names of stuff, by their ids from 1 on.
_THINGS = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, street sign,
stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, hat, backpack,
umbrella, shoe, eye glasses, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat,
baseball glove, skateboard, surfboard, tennis racket, bottle, plate, wine glass, cup, fork, knife, spoon, bowl, banana,
apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, mirror,
dining table, window, desk, toilet, door, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster,
sink, refrigerator, blender, book, clock, vase, scissors, teddy bear, hair drier, toothbrush, hair brush
"""
_STUFF = """
banner, blanket, branch, bridge, building-other, bush, cabinet, cage, cardboard, carpet, ceiling-other, ceiling-tile,
cloth, clothes, clouds, counter, cupboard, curtain, desk-stuff, dirt, door-stuff, fence, floor-marble, floor-other,
floor-stone, floor-tile, floor-wood, flower, fog, food-other, fruit, furniture-other, grass, gravel, ground-other,
hill, house, leaves, light, mat, metal, mirror-stuff, moss, mountain, mud, napkin, net, paper, pavement, pillow,
plant-other, plastic, platform, playingfield, railing, railroad, river, road, rock, roof, rug, salad, sand, sea, shelf,
sky-other, skyscraper, snow, solid-other, stairs, stone, straw, structural-other, table, tent, textile-other, towel,
tree, vegetable, wall-brick, wall-concrete, wall-other, wall-panel, wall-stone, wall-tile, wall-wood, water-other,
waterdrops, window-blind, window-other, wood
"""
NAMES = tuple(" ".join(name.split()) for name in f"{_THINGS},{_STUFF}".split(","))

MODEL = ModelConfig(num_classes=183, use_instance_edges=True, image_size=(256, 256))
LABELS = LabelSpec(
    num_classes=183,
    unknown_id=255,
    class_names=(*NAMES, "unlabelled"),
    palette=(*distinct_colours(182), (0, 0, 0)),
)
TRAIN = TrainConfig(epochs=50, decay_epochs=50, batch_size=32, load_scale=286 / 256)
