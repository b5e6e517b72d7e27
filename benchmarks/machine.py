"""What the figures of a benchmark hold for."""

import os
import platform
from datetime import date
from importlib.metadata import version


def machine():
    """Processor, cores, versions and date, in a line."""
    versions = f"TensorFlow {version('tensorflow')}, Keras {version('keras')}"
    return f"{_processor()}, {os.cpu_count()} cores; {versions}; {date.today()}"


def _processor():
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
