"""The good requests of `soak.py`, each judged by the values that come back."""

import base64

import grpc
import tensorflow as tf
from soak_client import TIMEOUT
from soak_questions import same


def ask_grpc(client):
    """A good request over gRPC, sometimes for some of the outputs only."""
    question = client.questions.draw(client.rng)
    wanted = sorted(question.outputs)
    wanted = client.rng.sample(wanted, client.rng.randint(1, len(wanted))) if client.rng.random() < 0.3 else []
    message = client.message(question.signature, question.inputs, outputs=wanted)
    try:
        response = client.prediction.Predict(message, timeout=TIMEOUT)
    except grpc.RpcError as error:
        return f"{error.code().name} {error.details()[:200]}"
    received = {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}
    return _judge(received, question, wanted or sorted(question.outputs))


def ask_rest(client, by_row):
    """A good request over REST."""
    question = client.questions.draw(client.rng)
    columns = {name: as_json(array) for name, array in question.inputs.items()}
    if by_row:
        content = {"instances": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]}
    else:
        content = {"inputs": columns}
    status, answer = client.rest({"signature_name": question.signature, **content})
    if status != "200":
        return f"{status} {answer.text[:200] if answer is not None else ''}"
    return _judge(_columns(answer.json(), sorted(question.outputs)), question, sorted(question.outputs))


def as_json(array):
    """An input as a REST body holds it: nested lists, files in base64."""
    return [b64(v) for v in array] if array.dtype == object else array.tolist()


def b64(data):
    """Bytes as a REST body holds them."""
    return {"b64": base64.b64encode(data).decode()}


def _columns(document, names):
    """The outputs of a REST answer by name."""
    if len(names) == 1:
        columns = {names[0]: document.get("predictions", document.get("outputs"))}
    elif "outputs" in document:
        columns = document["outputs"]
    else:
        columns = {name: [row[name] for row in document["predictions"]] for name in names}
    return {name: [_unpack(v) for v in values] for name, values in columns.items()}


def _unpack(value):
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def _judge(received, question, wanted):
    if sorted(received) != sorted(wanted):
        return f"wrong outputs {sorted(received)}"
    wrong = [name for name in wanted if not same(name, received[name], question.outputs[name])]
    return f"wrong values of {wrong} from {question.signature}" if wrong else "OK"


GOOD = {
    "gRPC good": ("OK", ask_grpc),
    "REST good, rows": ("OK", lambda client: ask_rest(client, True)),
    "REST good, columns": ("OK", lambda client: ask_rest(client, False)),
}
"""{kind: (the outcome it must have, a function of a `Client` that sends it)}."""
