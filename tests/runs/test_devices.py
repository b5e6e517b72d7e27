"""Devices and XLA: which strategy is opened, and what is refused with which words."""

import os

import pytest
import tensorflow as tf

from dagan_tf.config import RunOptions
from dagan_tf.errors import UserError
from dagan_tf.runs.devices import Distribution, open_distribution, set_xla_flags
from tests.helpers import run_python


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)


def test_one_device_is_tensorflows_default_strategy():
    found = open_distribution(RunOptions())
    assert (found.replicas, found.is_chief, found.jit_compile, str(found)) == (1, True, False, "1 device")
    assert found.strategy is tf.distribute.get_strategy()
    assert found.anywhere(True)
    assert not found.anywhere(False)
    found.check_same(7)
    assert open_distribution(RunOptions(xla="on")).jit_compile


@pytest.mark.parametrize(("semantics", "compiled"), [("auto", True), ("dense", True), ("patch_table", False)])
def test_a_gpu_compiles_with_xla_but_for_the_patch_table(monkeypatch, semantics, compiled):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [0] if kind == "GPU" else ["CPU"])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda gpus, kind: None)
    found = open_distribution(RunOptions(strategy="none", semantics=semantics))
    assert found.jit_compile is compiled


def flags_after(options):
    """TF_XLA_FLAGS as a process that has not imported TensorFlow sets them."""
    script = (
        "import os, sys; from dagan_tf.config import RunOptions; from dagan_tf.runs.devices import set_xla_flags\n"
        f"set_xla_flags({options!r})\n"
        "assert 'tensorflow' not in sys.modules; print(os.environ.get('TF_XLA_FLAGS', ''))"
    )
    return run_python(script).split()


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        (RunOptions(devices="8", xla="on"), ["--tf_xla_auto_jit=2", "--tf_xla_cpu_global_jit"]),
        (RunOptions(devices="8"), ["--tf_xla_auto_jit=2"]),
        (RunOptions(strategy="multi_worker"), ["--tf_xla_auto_jit=2"]),
        (RunOptions(devices="8", xla="off"), []),
        (RunOptions(devices="1", xla="on"), []),
        (RunOptions(strategy="none", xla="on"), []),
    ],
)
def test_xla_flags_are_set_before_tensorflow_is_imported(options, flags):
    assert flags_after(options) == flags


def test_flags_that_the_user_set_stay(monkeypatch):
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=1 --tf_xla_min_cluster_size=9")
    set_xla_flags(RunOptions(devices="2"))
    assert os.environ["TF_XLA_FLAGS"].split() == ["--tf_xla_auto_jit=1", "--tf_xla_min_cluster_size=9"]


def test_xla_asked_for_too_late_is_refused():
    with pytest.raises(UserError, match="before TensorFlow is imported"):
        set_xla_flags(RunOptions(devices="2", xla="on"))


def test_more_devices_after_tensorflow_began_are_refused():
    tf.constant(0.0) + 1.0
    with pytest.raises(UserError, match="has begun with fewer devices"):
        open_distribution(RunOptions(devices="5"))


def test_more_gpus_than_there_are_are_refused(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [0, 1] if kind == "GPU" else ["CPU"])
    with pytest.raises(UserError, match=r"at most 2, the GPUs of this machine.*Received: 3"):
        open_distribution(RunOptions(devices="3"))


@pytest.mark.parametrize(
    ("batch", "accumulate", "used"), [(32, 1, 8), (4, 1, 4), (4, 4, 1), (12, 2, 6), (1, 1, 1), (4, 3, 8)]
)
def test_all_gpus_are_as_many_as_divide_the_batch(batch, accumulate, used, monkeypatch, capsys):
    """Of eight; all, for `check_batch` to refuse, where micro-batches alone do not fit."""
    visible = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(range(8)) if kind == "GPU" else ["CPU"])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda gpus, kind: visible.append((len(gpus), kind)))
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda **options: tf.distribute.get_strategy())
    open_distribution(RunOptions(), batch, accumulate)
    assert visible == [(used, "GPU")]
    assert (f"{used} of 8 GPUs, among which a batch of {batch} is divided equally" in capsys.readouterr().out) == (
        used < 8
    )


@pytest.mark.parametrize(("batch", "accumulate", "near"), [(6, 1, 8), (8, 3, 12), (2, 1, 4)])
def test_a_batch_that_does_not_divide_names_one_that_does(batch, accumulate, near):
    strategy = type("Strategy", (), {"num_replicas_in_sync": 4})()
    with pytest.raises(UserError, match=rf"multiple of {4 * accumulate}\. Received: {batch}.*`batch_size` {near}"):
        Distribution(strategy).check_batch(batch, accumulate)
    Distribution(strategy).check_batch(4 * accumulate, accumulate)
