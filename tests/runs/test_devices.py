"""Devices, hosts and XLA flags: what is resolved, and what is refused with which words."""

import json
import os

import pytest
import tensorflow as tf

from dagan_tf.config import RunOptions
from dagan_tf.errors import UserError
from dagan_tf.runs import devices as distribution
from dagan_tf.runs.devices import Distribution, open_distribution, set_xla_flags
from tests.helpers import run_python

TWO_HOSTS = {"cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}, "task": {"type": "worker", "index": 1}}


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
    assert not open_distribution(RunOptions(xla="on", semantics="patch_table")).jit_compile


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


def test_xla_asked_for_too_late_or_with_a_table_is_refused():
    with pytest.raises(UserError, match="before TensorFlow is imported"):
        set_xla_flags(RunOptions(devices="2", xla="on"))
    with pytest.raises(UserError, match="patch table"):
        set_xla_flags(RunOptions(xla="on", semantics="patch_table"))


@pytest.mark.parametrize(
    "text",
    [
        "workers",
        "[]",
        '{"cluster": {}}',
        *(
            json.dumps({**TWO_HOSTS, "task": task})
            for task in (
                {"type": "worker", "index": 2},
                {"type": "worker", "index": -1},
                {"type": "ps", "index": 0},
                {"type": "chief", "index": 0},
            )
        ),
        *(
            json.dumps({**TWO_HOSTS, "cluster": cluster})
            for cluster in (
                {"worker": "host0:2222"},
                {"worker": ["host0", "host1"]},
                {"worker": ["host0:1", 7]},
                {"worker": ["host0:1", "host1:1"], "ps": ["host2:1"]},
                {"worker": ["host0:1", "host0:1"]},
                {"worker": ["host0:1", "host1:1"], "chief": ["host2:1", "host3:1"]},
            )
        ),
    ],
)
def test_a_tf_config_that_cannot_be_read(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match="TF_CONFIG must be JSON like"):
        open_distribution(RunOptions())


def test_a_cluster_may_have_empty_jobs_and_an_evaluator(monkeypatch):
    cluster = {**TWO_HOSTS["cluster"], "chief": [], "ps": [], "evaluator": ["127.0.0.1:3"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({**TWO_HOSTS, "cluster": cluster}))
    assert distribution.count_hosts() == 2


def test_hosts_need_a_tf_config():
    with pytest.raises(UserError, match="multi_worker needs TF_CONFIG"):
        open_distribution(RunOptions(strategy="multi_worker"))


def test_the_chief_is_the_first_worker_or_whoever_is_called_so(monkeypatch):
    for jobs, chief in (({"worker": 2}, ("worker", 0)), ({"chief": 1, "worker": 1}, ("chief", 0))):
        cluster = {job: [f"{job}{i}:1" for i in range(n)] for job, n in jobs.items()}
        for job, count in jobs.items():
            for index in range(count):
                task = {"type": job, "index": index}
                monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
                assert distribution.count_hosts() == 2
                resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
                strategy = type("Strategy", (), {"cluster_resolver": resolver})()
                assert Distribution(strategy, workers=2).is_chief == ((job, index) == chief)


def test_more_devices_after_tensorflow_began_are_refused():
    tf.constant(0.0) + 1.0
    with pytest.raises(UserError, match="has begun with fewer devices"):
        open_distribution(RunOptions(devices="5"))


@pytest.mark.parametrize(
    ("batch", "accumulate", "used"), [(32, 1, 8), (4, 1, 4), (4, 4, 1), (12, 2, 6), (1, 1, 1), (4, 3, 8)]
)
def test_all_gpus_are_as_many_as_share_the_batch(batch, accumulate, used, monkeypatch, capsys):
    """Of eight; all, for `check_batch` to refuse, where the parts alone do not fit."""
    visible = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(range(8)) if kind == "GPU" else ["CPU"])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda gpus, kind: visible.append((len(gpus), kind)))
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda **options: tf.distribute.get_strategy())
    open_distribution(RunOptions(), batch, accumulate)
    assert visible == [(used, "GPU")]
    assert (f"{used} of 8 GPUs: a batch of {batch} is shared equally" in capsys.readouterr().out) == (used < 8)


@pytest.mark.parametrize(("batch", "accumulate", "near"), [(6, 1, 8), (8, 3, 12), (2, 1, 4)])
def test_a_batch_that_cannot_be_shared_names_one_that_can(batch, accumulate, near):
    strategy = type("Strategy", (), {"num_replicas_in_sync": 4})()
    with pytest.raises(UserError, match=rf"multiple of {4 * accumulate}\. Received: {batch}.*--batch-size {near}"):
        Distribution(strategy).check_batch(batch, accumulate)
    Distribution(strategy).check_batch(4 * accumulate, accumulate)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"devices": "0"}, "devices must be"),
        ({"devices": "some"}, "devices must be"),
        ({"strategy": "none", "devices": "2"}, "Several devices need a strategy"),
        ({"strategy": "tpu"}, "strategy must be one of"),
        ({"xla": "yes"}, "xla must be one of"),
        ({"best": "fid"}, "best must be one of"),
    ],
)
def test_options_that_do_not_fit(fields, message):
    with pytest.raises(UserError, match=message):
        RunOptions(**fields)
