"""The devices that a run trains on, by TensorFlow's own strategies.

The unit is the global batch: a step trains on `batch_size` examples however many replicas divide it among them, and
gives the same numbers but for the order of sums. TensorFlow is imported inside functions: XLA under a strategy is a
flag that it reads while it is imported.
"""

import zlib

from dagan_tf import xla
from dagan_tf.errors import UserError
from dagan_tf.runs.hosts import check_hosts, count_hosts, is_chief, multi_worker_strategy


def set_xla_flags(options):
    """Sets the flags by which XLA compiles under a strategy; before TensorFlow is imported, or they count for nothing.

    Keras' own `jit_compile` compiles outside the strategy, and fails. Clustering on CPUs is asked for only where XLA
    was.

    Args:
        options: `RunOptions`; the patch table cannot be compiled by XLA.

    Raises:
        UserError: XLA was asked for too late.
    """
    if options.xla == "off" or options.semantics == "patch_table" or not _may_replicate(options):
        return
    missing = xla.request_clustering(cpus=options.xla == "on")
    if missing and options.xla == "on" and options.devices != "all":
        raise UserError(
            f"XLA under a strategy needs {xla.VARIABLE} with {' '.join(missing)} before TensorFlow is imported. "
            "Received: a process that has imported it. Set the variable and start a new process, or give `xla` off."
        )


def _may_replicate(options):
    return options.strategy != "none" and (options.strategy != "auto" or options.devices != "1" or count_hosts() > 1)


class Distribution:
    """The strategy that a run trains under.

    Args:
        strategy: a `tf.distribute.Strategy`; TensorFlow's default one for a single device.
        jit_compile: whether Keras is to compile the step with XLA.
        hosts: how many hosts train together.
    """

    def __init__(self, strategy, jit_compile=False, hosts=1):
        self.strategy, self.jit_compile, self.hosts = strategy, jit_compile, hosts
        self._sum_function = None

    @property
    def replicas(self):
        """Devices over all hosts, among which every batch is divided equally."""
        return self.strategy.num_replicas_in_sync

    @property
    def is_chief(self):
        """Whether this host is the one that writes."""
        return self.hosts == 1 or is_chief(self.strategy.cluster_resolver)

    def check_batch(self, batch_size, accumulate):
        """Raises `UserError` unless a batch divides into equal micro-batches, `accumulate` on each replica."""
        unit = self.replicas * accumulate
        if batch_size % unit:
            near = max(unit, round(batch_size / unit) * unit)
            raise UserError(
                f"The global batch is divided among {self.replicas} devices, into {accumulate} micro-batches on each: "
                f"`batch_size` must be a multiple of {unit}. Received: {batch_size}. Give other `devices` or, for a "
                f"new run, for example `batch_size` {near}, or another `accumulate`."
            )

    def anywhere(self, flag):
        """Whether `flag` is true on any host; every host has to ask."""
        return bool(flag) if self.hosts == 1 else self._sum(float(flag)) > 0

    def check_same(self, text):
        """Raises `UserError`, on every host, unless all of them give the same text; every host has to ask."""
        if self.hosts == 1:
            return
        number = float(zlib.crc32(text.encode()))
        mean, square = self._sum(number) / self.replicas, self._sum(number**2) / self.replicas
        if square - mean**2 > 1e-9 * square:
            raise UserError(
                "All hosts must begin at the same step, with the same configuration and examples. Here it is: "
                f"{text}. Elsewhere it is not: give all hosts the same configuration and data, and a run folder on a "
                "disk that all of them see."
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
            make: a function of (index of this host, number of hosts, replicas in all) to a `tf.data.Dataset` of what
                one replica gets of each batch, replica by replica.
        """
        if self.replicas == 1:
            return make(0, 1, 1)
        return self.strategy.distribute_datasets_from_function(
            lambda context: make(context.input_pipeline_id, context.num_input_pipelines, context.num_replicas_in_sync)
        )

    def __str__(self):
        hosts = f" on {self.hosts} hosts" if self.hosts > 1 else ""
        return f"{self.replicas} device{'s' * (self.replicas > 1)}{hosts}"


def open_distribution(options, batch_size=None, accumulate=1):
    """The `Distribution` that `RunOptions` describe, on this machine's devices.

    GPUs where there are any; without, logical CPUs, which share the processor: for tests and for trying things out. Of
    all GPUs of one machine, as many as divide the batch equally.

    Args:
        options: `RunOptions`; `set_xla_flags` has had them.
        batch_size, accumulate: those of the `TrainConfig`; `None`: whatever divides equally.

    Raises:
        UserError: there are fewer devices than asked for, or no TF_CONFIG where hosts are to train together.
        HostLostError: another host does not answer.
    """
    import tensorflow as tf

    hosts, gpus = count_hosts(), tf.config.list_physical_devices("GPU")
    check_hosts(options.strategy, hosts)
    if hosts > 1 and not gpus and options.devices not in ("all", "1"):
        raise UserError(f"Without GPUs each of several hosts is one device. Received: `devices` {options.devices}.")
    devices = options.devices
    if devices == "all" and gpus and hosts == 1 and options.strategy != "none" and batch_size:
        devices = str(_most_that_divide(len(gpus), batch_size, accumulate))
    count = _visible_gpus(gpus, devices) if gpus else _logical_cpus(devices)
    strategy = options.strategy
    if strategy == "auto":
        strategy = "multi_worker" if hosts > 1 else "mirrored" if count > 1 else "none"
    if strategy == "multi_worker":
        return Distribution(multi_worker_strategy(hosts), hosts=hosts)
    if strategy == "mirrored":
        return Distribution(_mirrored_strategy(on_cpus=not gpus, count=count, with_xla=options.xla == "on"))
    compiled = options.xla == "on" or (options.xla == "auto" and bool(gpus))
    return Distribution(tf.distribute.get_strategy(), compiled and options.semantics != "patch_table")


def _mirrored_strategy(on_cpus, count, with_xla):
    """TensorFlow's strategy for the devices of one machine.

    TensorFlow adds up CPUs' values on one of them: with XLA two CPUs (not eight) end in "Multiple CPU devices". The
    other way of adding up takes eight of them many minutes to trace.
    """
    import tensorflow as tf

    hierarchical = on_cpus and count == 2 and with_xla
    reduction = tf.distribute.HierarchicalCopyAllReduce() if hierarchical else None
    return tf.distribute.MirroredStrategy(cross_device_ops=reduction)


def _most_that_divide(count, batch_size, accumulate):
    """The most of so many devices among which a batch divides equally; all if no number does."""
    found = next((n for n in range(count, 0, -1) if batch_size % (n * accumulate) == 0), count)
    if found < count:
        print(f"{found} of {count} GPUs, among which a batch of {batch_size} is divided equally", flush=True)
    return found


def _visible_gpus(gpus, devices):
    """Leaves as many GPUs visible as asked for; how many these are."""
    import tensorflow as tf

    count = len(gpus) if devices == "all" else int(devices)
    if count > len(gpus):
        raise UserError(
            f"`devices` must be at most {len(gpus)}, the GPUs of this machine, or all. Received: {count}. Give fewer."
        )
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
                f"TensorFlow has begun with fewer devices than asked for. Received: `devices` {count}. Start a new "
                "process."
            ) from error
    return count
