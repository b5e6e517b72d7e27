"""What a server is started with. Imports nothing heavy: the command's `--help` shows the defaults."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Options:
    """What a server is started with; times are in seconds. `python -m dagan_tf.serve --help` describes each."""

    model: str
    name: str = ""
    host: str = "127.0.0.1"
    grpc_port: int = 8500
    rest_port: int = 8501
    max_batch: int = 8
    batch_timeout: float = 0.005
    max_queue: int = 128
    workers: int = 1
    max_message_mb: int = 64
    poll: float = 2.0
    grace: float = 30.0
