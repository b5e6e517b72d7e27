"""Files that are to survive a power cut."""

import os


def flush(path):
    """Makes sure that a file or folder is on the disk, not on its way there."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
