"""Label maps to pictures through a server: TensorFlow Serving, or `python -m dagan_tf.serve`.

    python serving/client.py --model facades --label label.png --output picture.png
    python serving/client.py --model facades --label LABELS --output PICTURES
    python serving/client.py --model facades --label LABELS --requests 200 --concurrency 4
    python serving/client.py --model facades --status

Sends the bytes of grey or palette PNG files to the model's `png` signature and writes the PNG bytes that come back.
It needs `client_calls.py` and `client_load.py` beside it, grpcio and tensorflow-serving-api, and nothing of dagan_tf.
In Python:

    import client

    with client.connect("localhost:8500") as channel:
        picture = client.predict_png(client.prediction_stub(channel), "facades", open("label.png", "rb").read())

Exit status: 0 all is well, 1 the server refused or could not be reached, or some requests failed, 2 something given
cannot be used, 130 interrupted.
"""

import argparse
import contextlib
import functools
import itertools
import math
import os
import pathlib
import sys
import time

from client_calls import (
    PNG_START,
    ClientError,
    UsageError,
    connect,
    model_versions,
    predict_png,
    prediction_stub,
    server_health,
    signatures,
    state_name,
)
from client_load import send, table

STOPPING = ("UNAVAILABLE", "NOT_FOUND", "UNIMPLEMENTED", "UNAUTHENTICATED", "PERMISSION_DENIED")
"""Status codes that the next label map would get, too."""


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


def show_status(channel, arguments):
    """Prints versions, states and signatures; status 1 unless a version that was asked for is available."""
    versions = model_versions(channel, arguments.model, timeout=arguments.timeout, **spec_of(arguments))
    health = server_health(channel, arguments.timeout)
    print(f"{arguments.model} at {arguments.server}" + (f", server {health}" if health else ""))
    available = [v.version for v in versions if state_name(v) == "AVAILABLE"]
    for version in sorted(versions, key=lambda v: -v.version):
        print(f"  version {version.version}  {state_name(version)}  {version.status.error_message}".rstrip())
    if not available:
        raise ClientError("No version of the model is available.")
    for line in signatures(channel, arguments.model, max(available), timeout=arguments.timeout):
        print(line)
    return 0


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
