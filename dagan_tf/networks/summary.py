"""The table that `--dry-run` prints: shapes and parameters of both networks."""

import math

from dagan_tf.networks import Discriminator, Generator


def count_parameters(network):
    """Trainable parameters, as the paper's Table 3 counts them."""
    return sum(math.prod(variable.shape) for variable in network.trainable_variables)


def parameter_table(config):
    """Shapes and parameters of a `ModelConfig`'s networks as text.

    The totals are the paper's "number of parameters" (Table 3).
    """
    generator, discriminator = Generator(config), Discriminator(config)
    rows = [("generator", "output (H, W, C)", "parameters"), *_generator_rows(generator)]
    total = count_parameters(generator)
    rows.append(("generator, total", "", total))
    rows.append(("  without attention", "", total - count_parameters(generator.attention)))
    rows.append(("discriminator", "", ""))
    rows += [(f"  {s.name}", "", count_parameters(s)) for s in discriminator.scales]
    rows.append(("discriminator, total", "", count_parameters(discriminator)))
    rows.append(("both networks", "", count_parameters(generator) + count_parameters(discriminator)))
    return "\n".join(_line(*row) for row in rows)


def _generator_rows(generator):
    height, width = generator.config.image_size
    last = generator.backbone.stages[-1]
    layers = generator.backbone.layers_by_stage()
    layers += [(last._replace(name="attention"), generator.attention)]
    layers += [(last._replace(name="conv_img", filters=3), generator.conv_img)]
    for stage, layer in layers:
        shape = (height // stage.factor, width // stage.factor, stage.filters)
        yield f"  {stage.name}", str(shape), count_parameters(layer)


def _line(name, shape, count):
    return f"{name:<24}{shape:<22}{count if isinstance(count, str) else f'{count:,}':>14}".rstrip()
