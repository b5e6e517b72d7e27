"""The losses as pure functions: hinge, feature matching, perceptual. Every result is a float32 scalar.

Scores and features are what the discriminator returns: a list over its scales. Each loss is a mean over batch and
positions, then a mean over scales.
"""

from keras import ops


def _mean(x):
    return ops.mean(ops.cast(x, "float32"))


def hinge_generator(fake_scores):
    """-mean(D(fake)), averaged over scales (Lim and Ye, "Geometric GAN", 2017).

    Args:
        fake_scores: list over scales of (B, h, w, 1).
    """
    return -sum(_mean(score) for score in fake_scores) / len(fake_scores)


def hinge_discriminator(fake_scores, real_scores):
    """The discriminator's two hinge terms, averaged over scales (Lim and Ye, 2017).

    Args:
        fake_scores, real_scores: lists over scales of (B, h, w, 1).

    Returns:
        `(mean(max(0, 1 + D(fake))), mean(max(0, 1 - D(real))))`; the discriminator minimises their sum.
    """
    fake = sum(_mean(ops.relu(1.0 + ops.cast(score, "float32"))) for score in fake_scores) / len(fake_scores)
    real = sum(_mean(ops.relu(1.0 - ops.cast(score, "float32"))) for score in real_scores) / len(real_scores)
    return fake, real


def l1(a, b):
    """mean(|a - b|), in float32. The gradient runs into `a` alone: `b` is the target."""
    return _mean(ops.abs(ops.cast(a, "float32") - ops.stop_gradient(ops.cast(b, "float32"))))


def feature_matching(fake_features, real_features):
    """Sum over layers of the L1 distance of the discriminator's features, averaged over scales.

    Source: Wang et al., "pix2pixHD", CVPR 2018, Eq. 3, with means in place of sums as in the authors' code. The last
    layer, the score, does not count; no gradient runs into the real features.

    Args:
        fake_features, real_features: lists over scales of lists over layers of (B, h, w, C).
    """
    total = 0.0
    for fake, real in zip(fake_features, real_features, strict=True):
        total += sum(l1(a, b) for a, b in zip(fake[:-1], real[:-1], strict=True))
    return total / len(fake_features)


def perceptual(fake_features, real_features, weights):
    """Weighted sum of the L1 distances of feature maps (Johnson et al., ECCV 2016; weights of pix2pixHD).

    Args:
        fake_features, real_features: lists over taps of (B, h, w, C); no gradient runs into the real ones.
        weights: one number per tap.
    """
    taps = zip(weights, fake_features, real_features, strict=True)
    return sum(weight * l1(a, b) for weight, a, b in taps)
