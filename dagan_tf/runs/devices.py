"""Devices, hosts and XLA of a run, all by TensorFlow's own strategies.

The unit is the global batch: a step trains on `batch_size` examples however many replicas share them, and gives the
same numbers but for the order of sums. TensorFlow is imported inside functions: XLA under a strategy is a flag that it
reads while it is imported.
"""

import contextlib
import json
import os
import re
import signal
import sys
import zlib

from dagan_tf.errors import HostLostError, UserError

XLA_VARIABLE = "TF_XLA_FLAGS"
CLUSTERING = "--tf_xla_auto_jit=2"
CPU_CLUSTERING = "--tf_xla_cpu_global_jit"


def set_xla_flags(options):
    """Sets the flag by which XLA compiles under a strategy; before TensorFlow is imported, or it counts for nothing.

    Keras' own `jit_compile` compiles outside the strategy, and fails. The flag alone means GPUs; on CPUs it takes a
    second one, which is set where XLA was asked for.

    Args:
        options: `RunOptions`; a patch table knows no XLA.

    Raises:
        UserError: XLA was asked for where there can be none, or too late.
    """
    if options.xla == "on" and options.semantics == "patch_table":
        raise UserError("XLA knows no patch table. Received: --xla on and --semantics patch_table. Change one of them.")
    if options.xla == "off" or options.semantics == "patch_table" or not _may_replicate(options):
        return
    flags = [CLUSTERING, CPU_CLUSTERING] if options.xla == "on" else [CLUSTERING]
    present = os.environ.get(XLA_VARIABLE, "").split()
    missing = [flag for flag in flags if flag.split("=")[0] not in {p.split("=")[0] for p in present}]
    if "tensorflow" not in sys.modules:
        os.environ[XLA_VARIABLE] = " ".join([*present, *missing])
    elif missing and options.xla == "on" and options.devices != "all":
        raise UserError(
            f"XLA under a strategy needs {XLA_VARIABLE}='{' '.join(flags)}' before TensorFlow is imported. Received: a "
            "process that has imported it. Set the variable and start a new process, or give --xla off."
        )


def _may_replicate(options):
    return options.strategy != "none" and (options.strategy != "auto" or options.devices != "1" or count_hosts() > 1)


def count_hosts():
    """How many hosts train together, by TF_CONFIG; 1 without it."""
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


class Distribution:
    """The strategy that a run trains under.

    Attributes:
        strategy: a `tf.distribute.Strategy`; TensorFlow's default one for a single device.
        jit_compile: whether Keras is to compile the step with XLA.
        workers: hosts that train together.
    """

    def __init__(self, strategy, jit_compile=False, workers=1):
        self.strategy, self.jit_compile, self.workers = strategy, jit_compile, workers
        self._sum_function = None

    @property
    def replicas(self):
        """Devices over all hosts; each gets an equal share of every batch."""
        return self.strategy.num_replicas_in_sync

    @property
    def is_chief(self):
        """Whether this host is the one that writes."""
        if self.workers == 1:
            return True
        resolver = self.strategy.cluster_resolver
        first = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
        return (resolver.task_type, resolver.task_id) == (first, 0)

    def check_batch(self, batch_size, accumulate):
        """Raises `UserError` unless every replica gets whole examples in each of its parts of a batch."""
        unit = self.replicas * accumulate
        if batch_size % unit:
            near = max(unit, round(batch_size / unit) * unit)
            raise UserError(
                f"The global batch is shared by {self.replicas} devices, each share in {accumulate} parts: batch_size "
                f"must be a multiple of {unit}. Received: {batch_size}. Give other --devices or, for a new run, for "
                f"example --batch-size {near}, or another --accumulate."
            )

    def anywhere(self, flag):
        """Whether `flag` is true on any host; every host has to ask."""
        return bool(flag) if self.workers == 1 else self._sum(float(flag)) > 0

    def check_same(self, text):
        """Raises `UserError`, on every host, unless all of them give the same text; every host has to ask."""
        if self.workers == 1:
            return
        number = float(zlib.crc32(text.encode()))
        mean, square = self._sum(number) / self.replicas, self._sum(number**2) / self.replicas
        if square - mean**2 > 1e-9 * square:
            raise UserError(
                "All hosts must begin at the same step, with the same configuration and examples. Here it is: "
                f"{text}. Elsewhere it is not: give all hosts the same flags, data, and a --run-dir or --resume on a "
                "disk that they share."
            )

    def _sum(self, value):
        """The sum over all replicas of a number of each host."""
        import tensorflow as tf

        if self._sum_function is None:  # TensorFlow warns of strategies outside of a function

            @tf.function
            def summed(number):
                return self.strategy.reduce("SUM", self.strategy.run(tf.identity, (number,)), axis=None)

            self._sum_function = summed
        return float(self._sum_function(tf.constant(value, tf.float64)))

    def distribute(self, make):
        """The datasets of this host's replicas as one for `fit`.

        Args:
            make: a function of (index of this host, number of hosts, replicas in all) to a `tf.data.Dataset` of one
                replica's share of each batch, replica by replica.
        """
        if self.replicas == 1:
            return make(0, 1, 1)
        return self.strategy.distribute_datasets_from_function(
            lambda context: make(context.input_pipeline_id, context.num_input_pipelines, context.num_replicas_in_sync)
        )

    def __str__(self):
        hosts = f" on {self.workers} hosts" if self.workers > 1 else ""
        return f"{self.replicas} device{'s' * (self.replicas > 1)}{hosts}"


def open_distribution(options, batch_size=None, accumulate=1):
    """The `Distribution` that `RunOptions` describe, on this machine's devices.

    GPUs where there are any; without, logical CPUs, which share the processor: for tests and for trying things out. Of
    all GPUs of one machine, as many as share the batch equally.

    Args:
        options: `RunOptions`; `set_xla_flags` has had them.
        batch_size, accumulate: those of the `TrainConfig`; `None`: whatever the devices share equally.

    Raises:
        UserError: there are fewer devices than asked for, or no TF_CONFIG where hosts are to train together.
    """
    import tensorflow as tf

    workers = count_hosts()
    if options.strategy == "multi_worker" and workers == 1:
        raise UserError("--strategy multi_worker needs TF_CONFIG with the addresses of at least two hosts.")
    if options.strategy in ("none", "mirrored") and workers > 1:
        raise UserError(
            f"TF_CONFIG names {workers} hosts, and --strategy {options.strategy} would train on each by itself. Give "
            "--strategy auto, or unset TF_CONFIG."
        )
    gpus = tf.config.list_physical_devices("GPU")
    if workers > 1 and not gpus and options.devices not in ("all", "1"):
        raise UserError(f"Without GPUs each of several hosts is one device. Received: --devices {options.devices}.")
    devices = options.devices
    if devices == "all" and gpus and workers == 1 and options.strategy != "none" and batch_size:
        devices = str(_most_that_share(len(gpus), batch_size, accumulate))
    local = _visible_gpus(gpus, devices) if gpus else _logical_cpus(devices)
    strategy = options.strategy
    if strategy == "auto":
        strategy = "multi_worker" if workers > 1 else "mirrored" if local > 1 else "none"
    if strategy == "none":
        wanted = options.xla == "on" or (options.xla == "auto" and bool(gpus))
        return Distribution(tf.distribute.get_strategy(), wanted and options.semantics != "patch_table")
    if strategy == "multi_worker":
        print(f"Waiting for all {workers} hosts (Ctrl-C ends it): TF_CONFIG is {os.environ['TF_CONFIG']}", flush=True)
        with _interrupts_end_the_process():
            return Distribution(_multi_worker_strategy(), workers=workers)
    # TensorFlow adds up CPUs' values on one of them: with XLA two CPUs (not eight) end in "Multiple CPU devices". The
    # other way takes eight of them many minutes to trace.
    two_with_xla = not gpus and local == 2 and options.xla == "on"
    summed = tf.distribute.HierarchicalCopyAllReduce() if two_with_xla else None
    return Distribution(tf.distribute.MirroredStrategy(cross_device_ops=summed))


def _most_that_share(count, batch_size, accumulate):
    """The most of so many devices that get equal shares of a batch; all if no number does."""
    found = next((n for n in range(count, 0, -1) if batch_size % (n * accumulate) == 0), count)
    if found < count:
        print(f"{found} of {count} GPUs: a batch of {batch_size} is shared equally (see --batch-size)", flush=True)
    return found


@contextlib.contextmanager
def _interrupts_end_the_process():
    """SIGINT at once: while TensorFlow waits it lets no Python run. SIGTERM it has taken for itself, until here."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _multi_worker_strategy():
    import tensorflow as tf

    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise HostLostError(
            f"The hosts of TF_CONFIG do not all answer ({error.message.splitlines()[0]}). Start the same command on "
            "all of them, and check that they reach each other at the addresses in it."
        ) from error


def _visible_gpus(gpus, devices):
    """Leaves as many GPUs visible as asked for; how many these are."""
    import tensorflow as tf

    count = len(gpus) if devices == "all" else int(devices)
    if count > len(gpus):
        raise UserError(f"--devices {count}: this machine has {len(gpus)} GPUs. Give at most {len(gpus)}, or all.")
    tf.config.set_visible_devices(gpus[:count], "GPU")
    return count


def _logical_cpus(devices):
    """Divides the CPU into as many logical devices as asked for; how many these are."""
    import tensorflow as tf

    count = 1 if devices == "all" else int(devices)
    cpu = tf.config.list_physical_devices("CPU")[0]
    present = tf.config.get_logical_device_configuration(cpu)
    if count > 1 and (present is None or len(present) != count):
        try:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
        except RuntimeError as error:
            raise UserError(
                f"--devices {count}: TensorFlow has begun with fewer devices. Start a new process."
            ) from error
    return count
