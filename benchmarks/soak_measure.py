"""The measuring of `soak.py`: the server's process, what the clients receive from it, and the report."""

import collections
import contextlib
import dataclasses
import itertools
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import grpc
import numpy as np
from soak_client import NAME, TIMEOUT, Client
from soak_good import GOOD
from soak_malformed import BAD
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

ROOT = pathlib.Path(__file__).resolve().parents[1]
GOOD_FRACTION = 0.85
GROWTH = 20 << 20
"""Bytes that the server's memory may grow by over the last requests, from `SETTLED` on."""

SWAPPED, SETTLED = 0.3, 0.6
"""Fractions of the requests after which a new version comes, and after which the old one must have gone."""


class ServerProcess:
    """The server under test, on free ports, with its log in a file."""

    def __init__(self, folder, log):
        self._log = log
        ports = ["--grpc-port", "0", "--rest-port", "0", "--poll", "0.2"]
        command = [sys.executable, "-m", "dagan_tf.serve", "--model", str(folder), *ports]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with open(log, "w") as file:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True, env=environment)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The server did not start:\n{self.log()}")
        self.ports = [int(re.search(rf"{kind}\D+127\.0\.0\.1:(\d+)", line).group(1)) for kind in ("gRPC", "REST")]

    def rss(self):
        """Bytes of memory."""
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) << 10

    def log(self):
        """What the server logged."""
        return pathlib.Path(self._log).read_text()

    def stop(self):
        """Sends SIGTERM; returns the exit status."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(60)
        finally:
            self._process.kill()
            self._process.stdout.close()


@dataclasses.dataclass
class Report:
    """What came of a soak.

    Attributes:
        outcomes: {(kind, expected): Counter of what was received}.
        seconds: latencies of the good requests.
        memory: {fraction of the requests: bytes of the server}.
        versions: the states of all versions at the end.
        log: the server's.
        exit_status: of the server.
    """

    outcomes: dict
    seconds: list
    memory: dict
    versions: dict
    log: str
    exit_status: int
    wall: float

    @property
    def problems(self):
        """All that was not as it must be."""
        found = [
            f"{kind}: expected {expected}, received {received} ({count} times)"
            for (kind, expected), counter in self.outcomes.items()
            for received, count in counter.items()
            if received != expected
        ]
        if self.memory[1.0] > self.memory[SETTLED] + GROWTH:
            found.append("the server's memory grew")
        if "Traceback" in self.log:
            found.append("the server's log has a traceback")
        if self.versions != {1: "END", 2: "AVAILABLE"}:
            found.append(f"the versions ended as {self.versions}")
        if self.exit_status:
            found.append(f"the server's exit status was {self.exit_status}")
        return found

    def table(self):
        """The report for people, in Markdown."""
        rows = ["| kind | expected | requests | as expected |", "|---|---|--:|--:|"]
        for (kind, expected), counter in self.outcomes.items():
            rows.append(f"| {kind} | {expected} | {counter.total()} | {counter[expected]} |")
        total = sum(counter.total() for counter in self.outcomes.values())
        right = sum(counter[expected] for (_, expected), counter in self.outcomes.items())
        rows.append(f"| **all** | | {total} | {right} |")
        marks = [f"{p} %: {np.percentile(self.seconds, p) * 1000:.1f} ms" for p in (50, 90, 99, 100)]
        memory = [f"{fraction:.0%}: {size / 2**20:.0f} MiB" for fraction, size in sorted(self.memory.items())]
        return "\n".join(
            [
                *rows,
                "",
                f"{total / self.wall:.0f} requests a second, {self.wall:.0f} s. Wrong: {total - right}.",
                f"Latency of good requests: {', '.join(marks)}.",
                f"The server's memory: {', '.join(memory)}.",
                f"Versions at the end: {self.versions}. Exit status after SIGTERM: {self.exit_status}.",
            ]
        )


class Soak:
    """Counts what the clients receive, and acts at certain fractions of the requests."""

    def __init__(self, server, folder, questions, total, seed):
        self._server, self._folder, self._questions = server, folder, questions
        self._total, self._seed = total, seed
        self._lock, self._done = threading.Lock(), 0
        self._outcomes = {(kind, expected): collections.Counter() for kind, (expected, _) in (GOOD | BAD).items()}
        self._seconds, self._memory = [], {}
        self._bad = [kind for kind in BAD if "PNG" not in kind or "png" in questions.signatures]
        self._actions = {0.1: self._sample, SWAPPED: self._swap, SETTLED: self._settle, 1.0: self._sample}

    def plan(self, clients):
        """The kinds of request of each client: the same for the same seed, each good and each bad one equally often."""
        rng = random.Random(self._seed)
        good = round(self._total * GOOD_FRACTION)
        kinds = [*itertools.islice(itertools.cycle(GOOD), good)]
        kinds += itertools.islice(itertools.cycle(self._bad), self._total - good)
        rng.shuffle(kinds)
        return [kinds[i::clients] for i in range(clients)]

    def client(self, number, kinds):
        """Sends one client's requests."""
        rng = random.Random(f"{self._seed} {number}")
        with contextlib.closing(Client(self._server.ports, self._questions, rng)) as client:
            for kind in kinds:
                expected, send = (GOOD | BAD)[kind]
                start = time.perf_counter()
                try:
                    received = send(client)
                except Exception as error:  # a finding like any other
                    received = f"{type(error).__name__}: {error}"[:300]
                self._count(kind, expected, received, time.perf_counter() - start if kind in GOOD else None)

    def _count(self, kind, expected, received, seconds):
        with self._lock:
            self._outcomes[kind, expected][received] += 1
            if seconds is not None:
                self._seconds.append(seconds)
            self._done += 1
            due = [fraction for fraction in self._actions if self._done >= fraction * self._total]
            actions = [(fraction, self._actions.pop(fraction)) for fraction in due]
        for fraction, act in actions:
            act(fraction)

    def _sample(self, fraction):
        self._memory[fraction] = self._server.rss()

    def _settle(self, fraction):
        self._final_versions()
        self._sample(fraction)

    def _swap(self, fraction):
        """A new version comes, as exporters write it: under another name first."""
        temporary = self._folder / ".2.tmp"
        shutil.copytree(self._folder / "1", temporary)
        temporary.rename(self._folder / "2")

    def report(self, wall):
        """Waits for the new version, stops the server, and tells what came of it all."""
        versions = self._final_versions()
        status = self._server.stop()
        return Report(self._outcomes, self._seconds, self._memory, versions, self._server.log(), status, wall)

    def _final_versions(self):
        """The states of the versions once the old one is unloaded."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = NAME
        end = time.monotonic() + TIMEOUT
        with grpc.insecure_channel(f"127.0.0.1:{self._server.ports[0]}") as channel:
            stub = model_service_pb2_grpc.ModelServiceStub(channel)
            while True:
                entries = stub.GetModelStatus(request, timeout=TIMEOUT).model_version_status
                states = {e.version: get_model_status_pb2.ModelVersionStatus.State.Name(e.state) for e in entries}
                if states == {1: "END", 2: "AVAILABLE"} or time.monotonic() > end:
                    return states
                time.sleep(0.1)
