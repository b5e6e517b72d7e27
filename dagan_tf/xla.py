"""XLA's flags for automatic clustering, by which TensorFlow compiles groups of operations of any graph.

They stand in the environment variable `TF_XLA_FLAGS`, which TensorFlow reads once, while it is imported; so this module
imports nothing of it. No other module reads or writes the variable.
"""

import os
import sys

VARIABLE = "TF_XLA_FLAGS"
CLUSTERING = "--tf_xla_auto_jit"
"""Compiles clusters on GPUs: 1 where TensorFlow thinks that it pays, 2 more often; other values compile nothing."""
ON_CPUS = "--tf_xla_cpu_global_jit"
"""Lets `CLUSTERING` mean CPUs, too."""


def request_clustering(cpus=False):
    """Asks TensorFlow to compile clusters with XLA; flags that the user has set stay as they are.

    Args:
        cpus: whether on CPUs, too.

    Returns:
        The flags that are missing and cannot be set any more, because TensorFlow has been imported: a list of texts,
        empty where all is well.
    """
    present = _flags()
    wanted = {CLUSTERING: f"{CLUSTERING}=2"} | ({ON_CPUS: ON_CPUS} if cpus else {})
    missing = [flag for name, flag in wanted.items() if name not in present]
    if "tensorflow" in sys.modules:
        return missing
    os.environ[VARIABLE] = " ".join([*os.environ.get(VARIABLE, "").split(), *missing])
    return []


def clusters():
    """Whether TensorFlow was asked to compile clusters where there are GPUs."""
    return _flags().get(CLUSTERING) in ("1", "2")


def clusters_cpus():
    """Whether TensorFlow was asked to compile clusters on CPUs, too."""
    return clusters() and _flags().get(ON_CPUS, "false") in ("", "1", "true")


def _flags():
    """The variable's flags: a dictionary of names to values, empty texts for flags without one."""
    pairs = (flag.partition("=") for flag in os.environ.get(VARIABLE, "").split())
    return {name: value for name, _, value in pairs}
