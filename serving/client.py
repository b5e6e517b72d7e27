"""Label maps to pictures through a server: TensorFlow Serving, or `python -m dagan_tf.serve`.

    python serving/client.py --model facades --label label.png --output picture.png
    python serving/client.py --model facades --label LABELS --output PICTURES
    python serving/client.py --model facades --label LABELS --requests 200 --concurrency 4
    python serving/client.py --model facades --status

Sends the bytes of grey or palette PNG files to the model's `png` signature and writes the PNG bytes that come back.
The file stands alone: it needs grpcio and tensorflow-serving-api, and nothing of dagan_tf. In Python:

    import client

    with client.connect("localhost:8500") as channel:
        picture = client.predict_png(client.prediction_stub(channel), "facades", open("label.png", "rb").read())

Exit status: 0 all is well, 1 the server refused or could not be reached, or some requests failed, 2 something given
cannot be used, 130 interrupted.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import functools
import itertools
import math
import os
import pathlib
import sys
import tempfile
import threading
import time
import types

SIGNATURE = "png"
PNG_START = b"\x89PNG\r\n\x1a\n"
RETRY_WAITS = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each further try of a request that a full server turned away."""

STOPPING = ("UNAVAILABLE", "NOT_FOUND", "UNIMPLEMENTED", "UNAUTHENTICATED", "PERMISSION_DENIED")
"""Status codes that the next label map would get, too."""


class ClientError(Exception):
    """What a user is told in one sentence; `status` is the command's exit status."""

    status = 1

    def __init__(self, message, code=None):
        super().__init__(message)
        self.code = code
        """Name of the gRPC status code, where there is one."""


class UsageError(ClientError):
    """Something given cannot be used."""

    status = 2


@functools.cache
def libraries():
    """grpc and the protocol's modules, imported on first use: they bring TensorFlow, whose import takes seconds."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _quiet():
            import grpc
            from tensorflow.core.framework import types_pb2
            from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2
            from tensorflow_serving.apis import model_service_pb2_grpc as model_service
            from tensorflow_serving.apis import prediction_service_pb2_grpc as prediction_service
    except ImportError as error:
        raise UsageError(f"This needs two packages: pip install grpcio tensorflow-serving-api ({error}).") from error
    return types.SimpleNamespace(
        grpc=grpc,
        types=types_pb2,
        predict=predict_pb2,
        metadata=get_model_metadata_pb2,
        model_status=get_model_status_pb2,
        model_service=model_service,
        prediction_service=prediction_service,
    )


@contextlib.contextmanager
def _quiet():
    """Holds back what native code writes to stderr; shows it after all if an exception passes."""
    with tempfile.TemporaryFile() as notes:
        terminal = os.dup(2)
        os.dup2(notes.fileno(), 2)
        try:
            yield
        except BaseException:
            notes.seek(0)
            os.write(terminal, notes.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def connect(server, tls=False, ca=None):
    """A channel without a limit on message sizes, whose default of 4 MB a large answer exceeds.

    Args:
        server: "host:port" of the gRPC API.
        tls: whether to speak TLS.
        ca: PEM bytes of the certificate authority; None for the system's.
    """
    grpc = libraries().grpc
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    if tls:
        return grpc.secure_channel(server, grpc.ssl_channel_credentials(ca), options)
    return grpc.insecure_channel(server, options)


def prediction_stub(channel):
    """The stub that `predict_png` takes."""
    return libraries().prediction_service.PredictionServiceStub(channel)


def predict_request(model, label_png, instance_png=None, *, version=None, version_label=None):
    """The `PredictRequest` of one picture; label and instance map are the bytes of PNG files."""
    request = libraries().predict.PredictRequest()
    name_model(request.model_spec, model, version, version_label)
    request.model_spec.signature_name = SIGNATURE
    for name, data in (("label_png", label_png), ("instance_png", instance_png)):
        if data is not None:
            tensor = request.inputs[name]
            tensor.dtype = libraries().types.DT_STRING
            tensor.tensor_shape.dim.add(size=1)
            tensor.string_val.append(data)
    return request


def name_model(spec, model, version=None, version_label=None):
    """Fills a `ModelSpec`: the newest version, unless a number or a label is given."""
    spec.name = model
    if version is not None:
        spec.version.value = version
    elif version_label is not None:
        spec.version_label = version_label


def picture_of(response):
    """The PNG bytes in a `PredictResponse`."""
    values = response.outputs["image_bytes"].string_val if "image_bytes" in response.outputs else ()
    if len(values) != 1 or not values[0].startswith(PNG_START):
        raise ClientError("The answer holds no PNG under image_bytes: was this model exported by dagan_tf.export?")
    return values[0]


def predict_png(
    stub, model, label_png, instance_png=None, *, version=None, version_label=None, timeout=60.0, retries=RETRY_WAITS
):
    """The picture of one label map, as PNG bytes.

    Args:
        stub: from `prediction_stub`.
        model: the model's name on the server.
        label_png: bytes of a PNG file with class ids.
        instance_png: bytes of a PNG file with instance ids, if the model reads instance edges.
        version: number of a version; default: the newest one loaded.
        version_label: label of a version, for example "stable"; instead of `version`.
        timeout: seconds for each try.
        retries: seconds to wait before each further try of a request that a full server turned away.

    Raises `ClientError` with a sentence.
    """
    request = predict_request(model, label_png, instance_png, version=version, version_label=version_label)
    for wait in (*retries, None):
        try:
            return picture_of(stub.Predict(request, timeout=timeout))
        except libraries().grpc.RpcError as error:
            if wait is None or not is_busy(error):
                raise explain(error, timeout) from error
            time.sleep(wait)


def is_busy(error):
    """Whether an `RpcError` says that the server's queue is full, so that another try may succeed."""
    code, details = error.code().name, (error.details() or "").lower()
    if code == "RESOURCE_EXHAUSTED":  # also said of messages over a limit, which no second try makes smaller
        return "larger than max" not in details
    return code == "UNAVAILABLE" and "queue" in details  # TensorFlow Serving's word for a full batching queue


def explain(error, timeout):
    """An `RpcError` as a `ClientError` with one sentence."""
    code, details = error.code().name, " ".join((error.details() or "").split())[:400]
    busy = is_busy(error)
    unreachable = any(word in details.lower() for word in ("connect", "dns", "resol", "socket closed"))
    if busy:
        message = f"The server is busy and turned the request away: {details}"
    elif code == "RESOURCE_EXHAUSTED":
        message = f"A message is larger than the server or a proxy before it accepts: {details}"
    elif code == "UNAVAILABLE" and unreachable:
        message = f"Nothing answers there: is the server running, and is this its gRPC port? ({details})"
    elif code == "DEADLINE_EXCEEDED":
        message = f"No answer within {timeout:g} seconds: give a larger --timeout, or the server less to do."
    elif code == "UNIMPLEMENTED":
        message = f"What answers there does not speak TensorFlow Serving's protocol: {details}"
    elif code == "NOT_FOUND":
        message = f"The server has no such model or version: {details}"
    elif code == "INVALID_ARGUMENT":
        message = f"The server refused the request: {details}"
    else:
        message = f"The server failed with {code}: {details}"
    return ClientError(message, code="RESOURCE_EXHAUSTED" if busy else code)


def parser():
    """The command's argument parser."""
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--server", metavar="HOST:PORT", default="localhost:8500", help="default: localhost:8500")
    result.add_argument("--model", metavar="NAME", required=True, help="the model's name on the server")
    which = result.add_mutually_exclusive_group()
    which.add_argument("--version", type=_positive, metavar="N", help="version (default: the newest one loaded)")
    which.add_argument("--version-label", metavar="LABEL", help="version by label, for example stable or canary")
    result.add_argument("--label", metavar="PATH", help="label map (PNG), or a folder of them")
    result.add_argument("--instance", metavar="PATH", help="instance map or folder, if the model reads edges")
    result.add_argument("--output", metavar="PATH", help="picture, or the folder for pictures under the maps' names")
    result.add_argument("--timeout", type=_seconds, default=60.0, metavar="S", help="per request (default: 60)")
    result.add_argument("--status", action="store_true", help="show the model's versions, states and signatures")
    load = result.add_argument_group("load", "requests without pictures written; nothing is tried twice")
    load.add_argument("--requests", type=_positive, metavar="N", help="so many, repeating the given label maps")
    load.add_argument("--concurrency", type=_positive, metavar="N", help="under way at once (default: 1)")
    secure = result.add_argument_group("TLS")
    secure.add_argument("--tls", action="store_true", help="speak TLS")
    secure.add_argument("--ca", metavar="FILE", help="certificate authority (PEM) instead of the system's")
    return result


def _positive(text):
    value = int(text)
    if not 1 <= value < 2**63:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, received {text}")
    return value


def _seconds(text):
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, received {text}")
    return value


def check(arguments):
    """Raises `UsageError` for flags that do not go together."""
    if arguments.status:
        if any((arguments.label, arguments.instance, arguments.output, arguments.requests, arguments.concurrency)):
            raise UsageError("--status asks for no picture: give it --model and --server alone.")
    elif not arguments.label:
        raise UsageError("Give --label FILE_OR_FOLDER with --output or --requests, or --status.")
    elif arguments.requests and arguments.output:
        raise UsageError("--requests measures and writes no pictures: leave out --output.")
    elif arguments.concurrency and not arguments.requests:
        raise UsageError("--concurrency goes with --requests N.")
    elif not arguments.requests and not arguments.output:
        raise UsageError("Give --output for the pictures, or --requests N to measure.")
    if arguments.ca and not arguments.tls:
        raise UsageError("--ca goes with --tls.")


def find_maps(label, instance=None):
    """The label maps with their instance maps, and their names: a list of `(label path, instance path, name)`."""
    label, instance = pathlib.Path(label), pathlib.Path(instance) if instance else None
    if label.is_dir():
        files = (path for path in label.rglob("*") if path.suffix.lower() == ".png" and not path.is_dir())
        names = sorted(path.relative_to(label) for path in files)
        if not names:
            raise UsageError(f"{label} holds no PNG files.")
        found = [(label / name, instance / name if instance else None, name) for name in names]
    else:
        found = [(label, instance, pathlib.Path(label.name))]
    for path in itertools.chain.from_iterable(paths[:2] for paths in found):
        if path is not None:
            check_png(path)
    return found


def check_png(path):
    """Raises `UsageError` unless a path is a file that begins as PNG files do."""
    if not path.is_file():
        raise UsageError(f"There is no file {path}.")
    if not read(path, len(PNG_START)) == PNG_START:
        raise UsageError(f"{path} is not a PNG file: label and instance maps are grey or palette PNG.")


def read(path, size=-1):
    """A file's bytes, or its first `size`; None for None."""
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error


def write(path, data):
    """Writes a file whole or not at all: aside, then renamed."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(data)
        aside.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()


def targets(maps, arguments):
    """Where the pictures go, none of which is one of the maps."""
    output = pathlib.Path(arguments.output)
    if pathlib.Path(arguments.label).is_dir() or output.is_dir() or arguments.output.endswith(("/", os.sep)):
        result = [output / name for _, _, name in maps]
    else:
        result = [output]
    sources = {path.resolve() for paths in maps for path in paths[:2] if path}
    if any(path.resolve() in sources for path in result):
        raise UsageError(f"The pictures would replace the maps in {output}: give another --output.")
    return result


def spec_of(arguments):
    """How the flags name a version, as keyword arguments."""
    return {"version": arguments.version, "version_label": arguments.version_label}


def make_pictures(stub, arguments, maps, paths):
    """Asks for each map's picture and writes it to its path; returns the exit status."""
    failed = 0
    for number, ((label, instance, _), path) in enumerate(zip(maps, paths, strict=True), 1):
        start = time.perf_counter()
        pngs = read(label), read(instance)
        try:
            picture = predict_png(stub, arguments.model, *pngs, timeout=arguments.timeout, **spec_of(arguments))
        except ClientError as error:
            if len(maps) == 1 or error.code in STOPPING:
                raise
            failed += 1
            print(f"error: {label}: {error}", file=sys.stderr)
            continue
        write(path, picture)
        print(f"{number}/{len(maps)} {path} {time.perf_counter() - start:.2f} s", file=sys.stderr)
    if failed:
        raise ClientError(f"{failed} of {len(maps)} pictures were not made.")
    return 0


def measure(stub, arguments, maps):
    """Sends `--requests`, `--concurrency` at once, and prints a table; returns the exit status."""
    pngs = [(read(label), read(instance)) for label, instance, _ in maps]
    ask = functools.partial(
        predict_png, stub, arguments.model, timeout=arguments.timeout, retries=(), **spec_of(arguments)
    )
    start, results = time.perf_counter(), []
    try:
        send(ask, itertools.islice(itertools.cycle(pngs), arguments.requests), arguments.concurrency or 1, results)
    finally:
        print(table(results, time.perf_counter() - start))
    errors = [error for _, error in results if error]
    if errors:
        raise ClientError(f"{len(errors)} of {len(results)} requests failed, the first: {errors[0]}")
    return 0


def send(ask, items, concurrency, results):
    """Calls `ask(*item)` in threads; adds `(seconds, ClientError or None)` to the list `results`.

    Each thread takes the next item when it has its answer, as a closed circle of users would. Ctrl-C ends it after the
    requests under way.
    """
    lock, stop = threading.Lock(), threading.Event()

    def work():
        while not stop.is_set():
            with lock:
                item = next(items, None)
            if item is None:
                return
            begun, failure = time.perf_counter(), None
            try:
                ask(*item)
            except ClientError as error:
                failure = error
            results.append((time.perf_counter() - begun, failure))

    with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
        futures = [pool.submit(work) for _ in range(concurrency)]
        try:
            for future in futures:
                future.result()
        finally:
            stop.set()


def percentile(ordered, percent):
    """The nearest-rank percentile of ascending values."""
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


def table(results, seconds):
    """The results of `send` as lines of name and value; latencies are those of the requests that succeeded."""
    good = sorted(latency for latency, error in results if error is None)
    codes = collections.Counter(error.code or "UNKNOWN" for _, error in results if error)
    rows = [("requests", len(results)), ("ok", len(good)), *sorted(codes.items())]
    rows += [("seconds", f"{seconds:.2f}"), ("pictures/s", f"{len(good) / seconds:.3f}")]
    if good:
        rows += [(f"latency p{p}", f"{percentile(good, p):.3f} s") for p in (50, 90, 95, 99)]
        rows.append(("latency max", f"{good[-1]:.3f} s"))
    return "\n".join(f"{name:<20} {value:>10}" for name, value in rows)


def show_status(channel, arguments):
    """Prints versions, states and signatures; status 1 unless a version that was asked for is available."""
    modules = libraries()
    request = modules.model_status.GetModelStatusRequest()
    name_model(request.model_spec, arguments.model, arguments.version, arguments.version_label)
    stub = modules.model_service.ModelServiceStub(channel)
    versions = _call(stub.GetModelStatus, request, arguments.timeout).model_version_status
    health = server_health(channel, arguments.timeout)
    print(f"{arguments.model} at {arguments.server}" + (f", server {health}" if health else ""))
    available = [v.version for v in versions if state_name(v) == "AVAILABLE"]
    for version in sorted(versions, key=lambda v: -v.version):
        print(f"  version {version.version}  {state_name(version)}  {version.status.error_message}".rstrip())
    if not available:
        raise ClientError("No version of the model is available.")
    for line in signatures(channel, arguments, max(available)):
        print(line)
    return 0


def state_name(version):
    """The name of a `ModelVersionStatus`'s state."""
    return version.State.Name(version.state)


def server_health(channel, timeout):
    """The standard gRPC health service's word on the server; None where it, or its package, is missing."""
    try:
        from grpc_health.v1 import health_pb2, health_pb2_grpc
    except ImportError:
        return None
    try:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=timeout)
    except libraries().grpc.RpcError:
        return None
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def signatures(channel, arguments, version):
    """Lines that describe the signatures of a version."""
    modules = libraries()
    request = modules.metadata.GetModelMetadataRequest(metadata_field=["signature_def"])
    name_model(request.model_spec, arguments.model, version)
    answer = _call(prediction_stub(channel).GetModelMetadata, request, arguments.timeout)
    found = modules.metadata.SignatureDefMap()
    answer.metadata["signature_def"].Unpack(found)
    yield f"  signatures of version {version}"
    for name, signature in sorted(found.signature_def.items()):
        if signature.inputs:
            yield f"    {name}: {_tensors(signature.inputs)} -> {_tensors(signature.outputs)}"


def _tensors(infos):
    return ", ".join(f"{name} {_kind(info)}" for name, info in sorted(infos.items()))


def _kind(info):
    dtype = libraries().types.DataType.Name(info.dtype).removeprefix("DT_").lower()
    return f"{dtype} ({', '.join('?' if d.size < 0 else str(d.size) for d in info.tensor_shape.dim)})"


def _call(method, request, timeout):
    try:
        return method(request, timeout=timeout)
    except libraries().grpc.RpcError as error:
        raise explain(error, timeout) from error


def run(arguments):
    """What the flags ask for; returns the exit status."""
    check(arguments)  # what is wrong with the files is said before TensorFlow is imported
    try:
        maps = find_maps(arguments.label, arguments.instance) if arguments.label else []
        paths = targets(maps, arguments) if arguments.output else []
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be read: {error.strerror}.") from error
    with connect(arguments.server, arguments.tls, read(arguments.ca)) as channel:
        if arguments.status:
            return show_status(channel, arguments)
        if arguments.requests:
            return measure(prediction_stub(channel), arguments, maps)
        return make_pictures(prediction_stub(channel), arguments, maps, paths)


def main(argv=None):
    """The command; returns its exit status."""
    arguments = parser().parse_args(argv)
    try:
        return run(arguments)
    except ClientError as error:
        where = f"{arguments.server}: " if error.status == 1 and error.code else ""
        print(f"error: {where}{error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
