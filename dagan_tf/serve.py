"""A model over gRPC and REST: `python -m dagan_tf.serve --model MODELS/NAME`.

Serves the highest version in a folder of SavedModels (MODELS/NAME/1, MODELS/NAME/2 ...) in TF-Serving's protocols: for
a laptop, a notebook or CI. New versions are taken up while it runs; SIGTERM lets requests in flight finish.
"""

import argparse
import asyncio
import gc
import importlib
import logging
import os
import sys

from dagan_tf import cli
from dagan_tf.errors import UserError
from dagan_tf.server.options import Options
from dagan_tf.signals import STOP


def parser():
    """The command's argument parser."""
    result = cli.Parser(prog="python -m dagan_tf.serve", description=__doc__)
    result.add_argument("--model", metavar="PATH", required=True, help="folder with a folder for each version")
    result.add_argument("--name", default="", help="the model's name in requests (default: the folder's)")

    def add(name, kind, metavar, text, scale=1):
        default = getattr(Options, name)
        default = default if kind is str else f"{default * scale:g}"  # argparse gives a default in text to `type`, too
        text = f"{text} (default: {default})"
        result.add_argument("--" + name.replace("_", "-"), type=kind, default=default, metavar=metavar, help=text)

    add("host", str, "ADDRESS", "address to listen on; 0.0.0.0, or :: with IPv6, lets other machines in")
    add("grpc_port", _port, "N", "port of gRPC, 0 for any free one")
    add("rest_port", _port, "N", "port of REST and metrics, 0 for any free one")
    add("max_batch", cli.positive, "N", "most examples that run together")
    add("batch_timeout", _not_negative, "MS", "milliseconds a request waits for others to run with", scale=1000)
    add("max_queue", cli.positive, "N", "most requests that wait; more are refused")
    add("workers", cli.positive, "N", "batches that run at the same time")
    add("max_message_mb", _megabytes, "N", "most MiB of a request, an answer or a tensor")
    add("poll", _above_zero, "SECONDS", "time between two looks for new versions")
    add("grace", _not_negative, "SECONDS", "time that requests in flight have to finish when stopped")
    return result


def _port(text):
    value = int(text)
    if not 0 <= value < 65536:
        raise argparse.ArgumentTypeError(f"expected 0 to 65535, received {text}")
    return value


def _megabytes(text):
    value = cli.positive(text)
    if value > 2047:
        raise argparse.ArgumentTypeError(f"expected at most 2047, gRPC's own limit, received {text}")
    return value


def _not_negative(text):
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of at least 0, received {text}")
    return value


def _above_zero(text):
    value = _not_negative(text)
    if value == 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, received {text}")
    return value


async def serve(options):
    """Serves until SIGTERM or SIGINT, a second of which ends the process at once; returns how many were cut off."""
    from dagan_tf.server.app import Server, StartError

    stopping, loop = asyncio.Event(), asyncio.get_running_loop()

    def stop(number):
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    # The event loop's own way, not `signals.handling`: it wakes a loop that sleeps, and calls `stop` between two of its
    # tasks instead of in the middle of one.
    for number in STOP:
        loop.add_signal_handler(number, stop, number)
    gc.freeze()  # what is imported by now stays, so that collecting an unloaded version need not look at it
    server = Server(options)
    starting, stopped = asyncio.create_task(server.start()), asyncio.create_task(stopping.wait())
    await asyncio.wait((starting, stopped), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait((starting,))
        return 0
    try:
        starting.result()
    except StartError as error:
        raise UserError(str(error)) from error
    print(server.describe(), flush=True)
    await stopped
    return await server.stop()


def main(argv=None):
    """The command; ends the process."""
    arguments = vars(parser().parse_args(argv))
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    cli.import_tensorflow()
    try:
        importlib.import_module("dagan_tf.server.app")
    except ImportError as error:
        raise UserError(f"Serving needs packages that are missing: pip install -e '.[serving]'. ({error})") from error
    arguments["batch_timeout"] /= 1000
    cut_off = asyncio.run(serve(Options(**arguments)))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1 if cut_off else 0)  # a thread may still run or load a model, and an ordinary exit would wait for it


if __name__ == "__main__":
    cli.run(main, parser)
