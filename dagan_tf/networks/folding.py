"""A trained generator with its spectral normalisation folded into the kernels: the form that is exported."""

from dagan_tf.networks.generator import Generator


def fold(generator, image_size=None):
    """A generator for inference that computes the same pictures in float32, without u, v and sigma.

    Args:
        generator: a `Generator`; it is not changed.
        image_size: (height, width) of the new one; `None`: the same. The weights fit every size.

    Returns:
        A `Generator` with `folded=True`.

    Raises:
        UserError: the depth does not allow the size.
    """
    config = generator.config if image_size is None else generator.config.replace(image_size=image_size)
    result = Generator(config, folded=True, name="generator", dtype="float32")
    kept = [weight for weight in generator.weights if weight.name not in ("u", "v")]
    for target, source in zip(result.weights, kept, strict=True):
        target.assign(source)
    for target, source in zip(_convolutions(result), _convolutions(generator), strict=True):
        target.kernel.assign(source.normalized_kernel())
    return result


def _convolutions(generator):
    return [conv for block in generator.blocks for conv in block.convolutions]
