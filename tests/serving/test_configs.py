"""The files that TensorFlow Serving, Docker Compose and Prometheus read, and what the README says of them."""

import http.server
import importlib.util
import re
import shlex
import shutil
import subprocess
import threading

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

from dagan_tf import serve
from tests.helpers import ROOT
from tests.serving.test_client import client, client_calls

FOLDER = ROOT / "serving"
README, COMPOSE = (FOLDER / "README.md").read_text(), (FOLDER / "docker-compose.yml").read_text()
INT64, STRING = f".{wrappers_pb2.Int64Value.DESCRIPTOR.full_name}", f".{wrappers_pb2.StringValue.DESCRIPTOR.full_name}"

# Fields of the two messages that tensorflow-serving-api leaves out, from session_bundle_config.proto and
# monitoring_config.proto of tensorflow/serving: name, number, type (or message) and whether repeated.
BATCHING = [
    ("max_batch_size", 1, INT64),
    ("batch_timeout_micros", 2, INT64),
    ("max_enqueued_batches", 3, INT64),
    ("num_batch_threads", 4, INT64),
    ("thread_pool_name", 5, STRING),
    ("allowed_batch_sizes", 6, "repeated int64"),
    ("pad_variable_length_inputs", 7, "bool"),
]
PROMETHEUS = [("enable", 1, "bool"), ("path", 2, "string")]
MONITORING = [("prometheus_config", 1, ".copy.PrometheusConfig")]

# Flags of tensorflow_model_server, from model_servers/main.cc of tensorflow/serving.
SERVER_FLAGS = """
    port grpc_socket_path rest_api_port rest_api_num_threads rest_api_timeout_in_ms rest_api_enable_cors_support
    enable_batching allow_version_labels_for_unavailable_models batching_parameters_file
    enable_per_model_batching_parameters model_config_file model_config_file_poll_wait_seconds model_name
    model_base_path num_load_threads num_unload_threads max_num_load_retries load_retry_interval_micros
    file_system_poll_wait_seconds flush_filesystem_caches tensorflow_session_parallelism
    tensorflow_session_config_file tensorflow_intra_op_parallelism tensorflow_inter_op_parallelism
    use_alts_credentials ssl_config_file platform_config_file per_process_gpu_memory_fraction saved_model_tags
    grpc_channel_arguments grpc_max_threads enable_model_warmup num_request_iterations_for_warmup version
    monitoring_config_file remove_unused_fields_from_bundle_metagraph prefer_tflite_model num_tflite_pools
    num_tflite_interpreters_per_pool enable_signature_method_name_check xla_cpu_compilation_enabled
    xla_gpu_compilation_enabled enable_profiler thread_pool_factory_config_file mixed_precision skip_initialize_tpu
    enable_grpc_healthcheck_service enable_serialization_as_tensor_content
""".split()  # noqa: SIM905


def messages(**fields):
    """Message classes of a proto3 file made of `name=[(field, number, type)]`, by name."""
    file = descriptor_pb2.FileDescriptorProto(name="copy.proto", package="copy", syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    for name, rows in fields.items():
        message = file.message_type.add(name=name)
        for field, number, kind in rows:
            *repeated, kind = kind.split()
            entry = message.field.add(name=field, number=number, label=3 if repeated else 1)
            if kind.startswith("."):
                entry.type, entry.type_name = entry.TYPE_MESSAGE, kind
            else:
                entry.type = getattr(entry, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClassesForFiles([file.name], pool)


@pytest.fixture(scope="module")
def copies():
    found = messages(BatchingParameters=BATCHING, PrometheusConfig=PROMETHEUS, MonitoringConfig=MONITORING)
    return {name.removeprefix("copy."): message for name, message in found.items()}


@pytest.fixture(scope="module")
def model_server_config():
    client_calls.libraries()
    from tensorflow_serving.config import model_server_config_pb2

    return model_server_config_pb2


def without_comments(text):
    return re.sub(r"(^|\s)#.*", r"\1", text)


def blocks(language):
    """The README's code blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands(start):
    """The lines of the README's shell blocks that begin so, as lists of words."""
    lines = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True)[len(start.split()) :] for line in lines if line.startswith(start)]


def check_versions(config):
    """Labels stand for versions that the policy loads."""
    versions = list(config.model_version_policy.specific.versions)
    assert versions == sorted(set(versions))
    assert set(config.version_labels.values()) <= set(versions)


def test_models(model_server_config):
    parsed = text_format.Parse((FOLDER / "models.config").read_text(), model_server_config.ModelServerConfig())
    assert len(parsed.model_config_list.config) == 1
    for config in parsed.model_config_list.config:
        assert config.base_path == f"/models/{config.name}"
        assert config.model_platform == "tensorflow"
        assert config.version_labels["stable"]
        check_versions(config)
        assert f"GET /v1/models/{config.name}/labels/stable " in COMPOSE


def test_batching(copies):
    parsed = text_format.Parse((FOLDER / "batching.config").read_text(), copies["BatchingParameters"]())
    check_batching(parsed)
    assert parsed.max_enqueued_batches.value >= 1
    assert parsed.batch_timeout_micros.value < 1_000_000


def check_batching(parsed):
    sizes = list(parsed.allowed_batch_sizes)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == parsed.max_batch_size.value
    assert parsed.num_batch_threads.value >= 1


def test_monitoring(copies):
    parsed = text_format.Parse((FOLDER / "monitoring.config").read_text(), copies["MonitoringConfig"]())
    assert parsed.prometheus_config.enable
    scrape = (FOLDER / "prometheus.yml").read_text()
    assert f"metrics_path: {parsed.prometheus_config.path}\n" in scrape
    assert 'targets: ["tf-serving:8501"]' in scrape
    assert "\n  tf-serving:\n" in COMPOSE


def test_compose_flags_exist():
    flags = re.findall(r"^ +(?:# )?- --(\w+)=", COMPOSE, re.MULTILINE)
    assert len(flags) >= 9
    assert set(flags) <= set(SERVER_FLAGS)


def test_compose_paths_are_mounted():
    volumes = re.findall(r"^ +- (\S+):(/\w+(?:/\w+)*)(:ro)?$", COMPOSE, re.MULTILINE)
    assert {target for _, target, _ in volumes} == {"/models", "/config", "/etc/prometheus", "/prometheus"}
    assert all(read_only for source, _, read_only in volumes if source != "prometheus")
    files = re.findall(r"=/config/(\S+)", COMPOSE)
    assert len(files) == 3
    assert all((FOLDER / name).is_file() for name in files)
    assert (FOLDER / "prometheus.yml").is_file()


def test_compose_images_have_versions():
    gpu = (FOLDER / "docker-compose.gpu.yml").read_text()
    assert "image: tensorflow/serving:${TF_SERVING_TAG:-2.21.0}\n" in COMPOSE
    assert "image: tensorflow/serving:${TF_SERVING_TAG:-2.21.0}-gpu\n" in gpu
    assert ":latest" not in COMPOSE + gpu


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.gpu.yml", "prometheus.yml"])
def test_yaml(name):
    text = (FOLDER / name).read_text()
    assert "\t" not in text
    assert all((len(line) - len(line.lstrip())) % 2 == 0 for line in text.splitlines())
    if importlib.util.find_spec("yaml"):
        import yaml

        assert isinstance(yaml.safe_load(text), dict)


@pytest.mark.skipif(not shutil.which("bash"), reason="the check is written in bash")
@pytest.mark.parametrize(("state", "healthy"), [("AVAILABLE", True), ("LOADING", False), ("END", False)])
def test_health_check_reads_the_state(state, healthy):
    script = " ".join(re.search(r">-\n((?: {10}\S.*\n)+)", COMPOSE).group(1).split("\n")).strip()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{\n "model_version_status": [\n  {\n   "state": "%s",\n' % state.encode())

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request).start()
        command = ["bash", "-c", script.replace("8501", str(server.server_port))]
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)
    assert (done.returncode == 0) == healthy, done.stderr


def test_readme_versions(model_server_config):
    steps = [text_format.Parse(block, model_server_config.ModelConfig()) for block in blocks("proto")]
    assert len(steps) >= 4
    for config in steps:
        check_versions(config)


def test_readme_batching(copies):
    assert blocks("batching")
    for block in blocks("batching"):
        check_batching(text_format.Parse(block, copies["BatchingParameters"]()))


def test_readme_client_commands():
    found = commands("python serving/client.py")
    assert len(found) >= 4
    for words in found:
        client.check(client.parser().parse_args(words))


def test_readme_flags_exist():
    assert set(re.findall(r"--(\w+_\w+)", README)) <= set(SERVER_FLAGS)
    section = README.split("## The small server")[1].split("\n## ")[0]
    flags = re.findall(r"--[a-z][a-z-]*", section)
    assert len(flags) > 9
    assert set(flags) <= set(
        re.findall(r"--[a-z][a-z-]*", serve.parser().format_help() + client.parser().format_help())
    )
