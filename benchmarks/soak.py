"""Soaks the server: thousands of requests, good and malformed, from many clients, with a new version in the middle.

    python benchmarks/soak.py [--requests 10000] [--clients 32] [--seed 0] [--model MODELS/NAME]

Starts `python -m dagan_tf.serve` on a copy of the model (or on a small built-in one with the same signatures), asks it
over gRPC and REST, and compares each answer with the SavedModel run here, each refusal with the status it must have.
Exit status 1 if an answer was wrong, the server's memory grew, its log has a traceback, or it did not stop cleanly.
"""

import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from soak_client import NAME
from soak_measure import ServerProcess, Soak
from soak_model import StandIn
from soak_questions import Questions


def soak(total=10000, clients=32, seed=0, model=None):
    """Runs a soak; returns its `Report`."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch, NAME)
        folder.mkdir()
        if model is None:
            StandIn.export(folder)
        else:
            newest = max((p for p in pathlib.Path(model).iterdir() if p.name.isdecimal()), key=lambda p: int(p.name))
            shutil.copytree(newest, folder / "1")
        questions = Questions(folder / "1", random.Random(seed))
        server = ServerProcess(folder, pathlib.Path(scratch, "log"))
        try:
            running = Soak(server, folder, questions, total, seed)
            start = time.monotonic()
            with concurrent.futures.ThreadPoolExecutor(clients) as pool:
                for done in [pool.submit(running.client, *work) for work in enumerate(running.plan(clients))]:
                    done.result()
            return running.report(time.monotonic() - start)
        finally:
            with contextlib.suppress(ProcessLookupError):
                server.stop()


def main(argv=None):
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10000, help="how many (default: 10000)")
    parser.add_argument("--clients", type=int, default=32, help="how many ask at the same time (default: 32)")
    parser.add_argument("--seed", type=int, default=0, help="which requests (default: 0)")
    parser.add_argument("--model", help="exported model, a folder of versions (default: a small built-in one)")
    arguments = parser.parse_args(argv)
    report = soak(arguments.requests, arguments.clients, arguments.seed, arguments.model)
    print(report.table())
    for problem in report.problems:
        print(f"WRONG: {problem}")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
