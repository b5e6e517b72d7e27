"""What starts a training on several hosts: the cluster it describes, and whether it begins or continues."""

import json
import os
import re
import shlex
import subprocess

import pytest
import yaml

from dagan_tf import train
from dagan_tf.config import RunOptions
from dagan_tf.runs.hosts import count_hosts
from tests.helpers import ROOT

FOLDER = ROOT / "clusters"
TOLD = 'echo "$TF_CONFIG" >> "$TOLD"; echo "$@" >> "$TOLD"'


@pytest.fixture
def stubs(tmp_path, monkeypatch):
    """A function that puts commands on PATH, written in bash; `python` tells its TF_CONFIG and arguments."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))

    def put(**commands):
        for name, body in commands.items():
            (folder / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
            (folder / name).chmod(0o755)

    put(python=TOLD)
    return put


def told(tmp_path):
    """What `python` was called with: pairs of TF_CONFIG as JSON and arguments as a list."""
    lines = (tmp_path / "told").read_text().splitlines()
    return [(json.loads(a), b.split()) for a, b in zip(lines[::2], lines[1::2], strict=True)]


def run(command, **environment):
    done = subprocess.run(
        command, env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


def test_a_host_begins_and_continues(stubs, tmp_path, monkeypatch):
    place = {"HOSTS": "a b:99 c", "INDEX": "1", "RUN": str(tmp_path / "run"), "OPTIONS": "--keep 3"}
    assert run(["clusters/train.sh", "--batch-size", "8"], **place) == (0, "")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").touch()
    assert run(["clusters/train.sh", "--batch-size", "8"], **place) == (0, "")
    (config, begins), (_, continues) = told(tmp_path)
    assert config["cluster"] == {"worker": ["a:2222", "b:99", "c:2222"]}
    assert config["task"] == {"type": "worker", "index": 1}
    module = ["-m", "dagan_tf.train"]
    assert begins == [*module, "--run-dir", place["RUN"], "--batch-size", "8", "--keep", "3"]
    assert continues == [*module, "--resume", place["RUN"], "--batch-size", "8", "--keep", "3"]
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert count_hosts() == 3
    train.parser().parse_args(begins[2:])
    train.parser().parse_args(continues[2:])


@pytest.mark.parametrize("missing", ["HOSTS", "INDEX", "RUN"])
def test_what_is_missing_is_named(stubs, missing):
    place = {"HOSTS": "a", "INDEX": "0", "RUN": "run"}
    del place[missing]
    status, errors = run(["clusters/train.sh"], **place)
    assert status != 0
    assert missing in errors


@pytest.mark.parametrize(
    ("status", "checkpoint", "again"),
    [
        (0, True, False),
        (2, True, False),
        (4, True, False),
        (3, True, True),
        (137, True, True),
        (143, True, True),
        (3, False, False),
    ],
)
def test_slurm_starts_every_host_and_queues_what_was_stopped(stubs, tmp_path, status, checkpoint, again):
    made = f"mkdir -p {tmp_path}/runs/ade20k/checkpoints/step-00000500; " if checkpoint else ""
    stubs(
        scontrol='if [ "$1" = show ]; then printf "n0\\nn1\\n"; else echo "$@" >> "$TOLD.queue"; fi',
        srun='shift; SLURM_NODEID=1 "$@"',
        python=f"{made}{TOLD}; exit {status}",
    )
    place = {"SLURM_JOB_NODELIST": "n[0-1]", "SLURM_SUBMIT_DIR": str(tmp_path), "SLURM_JOB_ID": "7"}
    assert run(["clusters/slurm.sh"], **place)[0] == status
    ((config, arguments),) = told(tmp_path)
    assert config == {"cluster": {"worker": ["n0:2222", "n1:2222"]}, "task": {"type": "worker", "index": 1}}
    parsed = train.parser().parse_args(arguments[2:])
    assert train.open_run(parsed)[1].train.batch_size == 32
    queue = tmp_path / "told.queue"
    assert (queue.read_text().split() if queue.is_file() else None) == (["requeue", "7"] if again else None)


def test_the_kubernetes_job_names_the_pods_that_it_makes(stubs, tmp_path):
    service, job = yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())
    name, pod = job["metadata"]["name"], job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["restartPolicy"] == "Never"  # else Kubernetes refuses a policy
    (rule,) = job["spec"]["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["containerName"] == container["name"]
    assert train.NOT_FINITE in rule["onExitCodes"]["values"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"job-name": name}
    assert pod["subdomain"] == service["metadata"]["name"]
    place = {entry["name"]: entry.get("value", "0") for entry in container["env"]}
    hosts = [f"{name}-{i}.{pod['subdomain']}" for i in range(job["spec"]["completions"])]
    assert place["HOSTS"].split() == hosts
    assert job["spec"]["parallelism"] == len(hosts)
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert run([*container["command"], *container["args"]], **place)[0] == 0
    ((config, arguments),) = told(tmp_path)
    assert len(config["cluster"]["worker"]) == 4
    parsed = train.parser().parse_args(arguments[2:])
    devices = len(hosts) * container["resources"]["limits"]["nvidia.com/gpu"]
    assert train.open_run(parsed)[1].train.batch_size % devices == 0
    RunOptions(**train.cli.given(parsed, RunOptions))


def test_the_readme_of_the_folder_names_its_files():
    text = (FOLDER / "README.md").read_text()
    assert {p.name for p in FOLDER.iterdir()} - {"README.md"} == set(re.findall(r"^\| `([^`]+)`", text, re.MULTILINE))
    for line in re.findall(r"^python -m dagan_tf\.train (.*)$", text, re.MULTILINE):
        train.parser().parse_args(shlex.split(line.split("#")[0]))
