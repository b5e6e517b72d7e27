"""XLA's flags: what is written before TensorFlow is imported, and what is read back."""

import os

import pytest

from dagan_tf import xla
from tests.helpers import run_python


@pytest.mark.parametrize(
    ("flags", "gpus", "cpus"),
    [
        ("", False, False),
        ("--tf_xla_auto_jit=2", True, False),
        ("--tf_xla_auto_jit=1 --tf_xla_cpu_global_jit", True, True),
        ("--tf_xla_cpu_global_jit=true --tf_xla_auto_jit=2", True, True),
        ("--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit=false", True, False),
        ("--tf_xla_auto_jit=-1 --tf_xla_cpu_global_jit", False, False),
        ("--tf_xla_cpu_global_jit", False, False),
        ("--tf_xla_min_cluster_size=9", False, False),
    ],
)
def test_what_flags_mean(monkeypatch, flags, gpus, cpus):
    monkeypatch.setenv(xla.VARIABLE, flags)
    assert (xla.clusters(), xla.clusters_cpus()) == (gpus, cpus)


@pytest.mark.parametrize("cpus", [False, True])
def test_flags_are_written_before_tensorflow_is_imported(cpus):
    script = (
        "import os, sys; from dagan_tf import xla\n"
        f"assert xla.request_clustering({cpus}) == [] and 'tensorflow' not in sys.modules\n"
        "print(os.environ[xla.VARIABLE], xla.clusters(), xla.clusters_cpus(), sep='|')"
    )
    flags = "--tf_xla_min_cluster_size=9 --tf_xla_auto_jit=2" + cpus * " --tf_xla_cpu_global_jit"
    assert run_python(script, TF_XLA_FLAGS="--tf_xla_min_cluster_size=9").strip() == f"{flags}|True|{cpus}"


def test_what_comes_too_late_is_returned_and_nothing_is_written(monkeypatch):
    import tensorflow  # noqa: F401

    monkeypatch.setenv(xla.VARIABLE, "--tf_xla_auto_jit=1")
    assert xla.request_clustering() == []
    assert xla.request_clustering(cpus=True) == ["--tf_xla_cpu_global_jit"]
    assert os.environ[xla.VARIABLE] == "--tf_xla_auto_jit=1"
