"""Several hosts that train together: what TF_CONFIG says, how the hosts find each other, and how they agree.

TensorFlow is imported inside functions: what TF_CONFIG says is needed before.
"""

import json
import os
import re
import signal

from dagan_tf.errors import HostLostError, UserError
from dagan_tf.signals import handling


def count_hosts():
    """How many hosts train together, by the environment variable TF_CONFIG; 1 without it.

    Raises:
        UserError: TF_CONFIG is not what TensorFlow takes.
    """
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return 1
    try:
        given = json.loads(text)
        return _count_tasks(given["cluster"], given["task"])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise UserError(
            'TF_CONFIG must be JSON like {"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": '
            f'"worker", "index": 0}}}}, the same cluster on every host. Received: {text} ({error!r}).'
        ) from error


def _count_tasks(cluster, task):
    """How many addresses a cluster has; one of many errors if that or the task in it is not as TensorFlow takes it."""
    if cluster.get("ps") or len(cluster.get("chief", ())) > 1:
        raise ValueError("expected no parameter servers and at most one chief")
    jobs = {job: cluster[job] for job in ("chief", "worker") if job in cluster}
    if not all(isinstance(addresses, list) for addresses in jobs.values()):
        raise ValueError("expected lists of addresses")
    addresses = [address for job in jobs.values() for address in job]
    for address in addresses:
        if not re.fullmatch(r".+:\d+", address) or addresses.count(address) > 1:
            raise ValueError(f"expected HOST:PORT, each once, not {address}")
    count, index = len(jobs[task["type"]]), int(task["index"])
    if not 0 <= index < count:
        raise ValueError(f"expected an index of 0..{count - 1}, not {index}")
    return len(addresses)


def check_hosts(strategy, hosts):
    """Raises `UserError` unless a strategy (see `RunOptions`) can train on so many hosts."""
    if strategy == "multi_worker" and hosts == 1:
        raise UserError("`strategy` multi_worker needs TF_CONFIG with the addresses of at least two hosts.")
    if strategy in ("none", "mirrored") and hosts > 1:
        raise UserError(
            f"TF_CONFIG names {hosts} hosts, and `strategy` {strategy} would train on each by itself. Give `strategy` "
            "auto, or unset TF_CONFIG."
        )


def is_chief(resolver):
    """Whether this host is the one that writes: the chief, or the first worker where there is no chief.

    Args:
        resolver: a `tf.distribute.cluster_resolver.ClusterResolver`.
    """
    first = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return (resolver.task_type, resolver.task_id) == (first, 0)


def multi_worker_strategy(hosts):
    """TensorFlow's strategy for several hosts, once all of them answer; until then the process only waits.

    Args:
        hosts: how many there are.

    Raises:
        HostLostError: some host does not answer.
    """
    import tensorflow as tf

    print(f"Waiting for all {hosts} hosts (Ctrl-C ends it): TF_CONFIG is {os.environ['TF_CONFIG']}", flush=True)
    # While TensorFlow waits it runs no Python, so SIGINT has to end the process by itself; SIGTERM it takes, and keeps,
    # for itself, until the end of this block.
    with handling(signal.SIG_DFL, [signal.SIGINT]):
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except tf.errors.OpError as error:
            raise HostLostError(
                f"The hosts of TF_CONFIG do not all answer ({error.message.splitlines()[0]}). Start the same command "
                "on all of them, and check that they reach each other at the addresses in it."
            ) from error
