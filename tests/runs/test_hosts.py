"""What TF_CONFIG says about hosts that train together, and what is refused with which words."""

import json

import pytest
import tensorflow as tf

from dagan_tf.config import RunOptions
from dagan_tf.errors import UserError
from dagan_tf.runs.devices import Distribution, open_distribution
from dagan_tf.runs.hosts import check_hosts, count_hosts

TWO_HOSTS = {"cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}, "task": {"type": "worker", "index": 1}}


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)


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
        count_hosts()


def test_a_cluster_may_have_empty_jobs_and_an_evaluator(monkeypatch):
    cluster = {**TWO_HOSTS["cluster"], "chief": [], "ps": [], "evaluator": ["127.0.0.1:3"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({**TWO_HOSTS, "cluster": cluster}))
    assert count_hosts() == 2


@pytest.mark.parametrize(
    ("strategy", "hosts", "message"),
    [
        ("multi_worker", 1, "multi_worker needs TF_CONFIG"),
        ("mirrored", 2, "TF_CONFIG names 2 hosts, and `strategy` mirrored"),
        ("none", 3, "TF_CONFIG names 3 hosts, and `strategy` none"),
    ],
)
def test_strategies_that_cannot_train_on_so_many_hosts(strategy, hosts, message):
    with pytest.raises(UserError, match=message):
        check_hosts(strategy, hosts)


@pytest.mark.parametrize(("strategy", "hosts"), [("auto", 1), ("auto", 2), ("multi_worker", 2), ("none", 1)])
def test_strategies_that_can(strategy, hosts):
    assert check_hosts(strategy, hosts) is None


def test_devices_are_opened_only_where_the_hosts_fit(monkeypatch):
    with pytest.raises(UserError, match="multi_worker needs TF_CONFIG"):
        open_distribution(RunOptions(strategy="multi_worker"))
    monkeypatch.setenv("TF_CONFIG", json.dumps(TWO_HOSTS))
    with pytest.raises(UserError, match="TF_CONFIG names 2 hosts"):
        open_distribution(RunOptions(strategy="none"))
    with pytest.raises(UserError, match=r"each of several hosts is one device. Received: `devices` 2"):
        open_distribution(RunOptions(devices="2"))


def test_the_chief_is_the_first_worker_or_whoever_is_called_so(monkeypatch):
    for jobs, chief in (({"worker": 2}, ("worker", 0)), ({"chief": 1, "worker": 1}, ("chief", 0))):
        cluster = {job: [f"{job}{i}:1" for i in range(n)] for job, n in jobs.items()}
        for job, count in jobs.items():
            for index in range(count):
                task = {"type": job, "index": index}
                monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
                assert count_hosts() == 2
                resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
                strategy = type("Strategy", (), {"cluster_resolver": resolver})()
                assert Distribution(strategy, hosts=2).is_chief == ((job, index) == chief)
