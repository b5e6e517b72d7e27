"""A trained generator with spectral normalisation and batch statistics folded into its kernels: what is exported."""

from dagan_tf.errors import check_choice
from dagan_tf.networks.generator import Generator

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def fold(generator, precision="float32", image_size=None, semantics=None):
    """A generator for inference that computes the same function, without u, v, sigma and running statistics.

    Args:
        generator: a `Generator`; it is not changed.
        precision: "float32" or "bfloat16": in which its large kernels are stored and multiplied, and its feature maps
            kept; sums of products, modulation and tanh are in float32 either way.
        image_size, semantics: those of the result; `None`: the generator's own.

    Returns:
        A `Generator` with `folded=True`.

    Raises:
        UserError: the depth does not allow the size.
    """
    check_choice("precision", precision, tuple(POLICIES))
    config = generator.config.replace(image_size=image_size or generator.config.image_size)
    semantics = semantics or generator.semantics
    result = Generator(config, semantics, folded=True, name="generator", dtype=POLICIES[precision])
    for part in ("fc", "attention", "conv_img"):
        for target, source in zip(getattr(result, part).weights, getattr(generator, part).weights, strict=True):
            target.assign(source)
    for target, source in zip(result.blocks, generator.blocks, strict=True):
        for (norm, conv), (norm_source, conv_source) in zip(target.branches(), source.branches(), strict=True):
            norm.fold_statistics(norm_source)
            conv.kernel.assign(conv_source.normalized_kernel())
            if conv.bias is not None:
                conv.bias.assign(conv_source.bias)
    return result
