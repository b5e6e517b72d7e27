"""Batches are formed, split and bounded: the batcher alone with NumPy functions, and inside a server."""

import asyncio
import concurrent.futures
import threading
import types

import grpc
import numpy as np
import pytest

from dagan_tf.server.batching import Batcher
from dagan_tf.server.status import RequestError, StatusCode
from tests.server.helpers import WAIT, answer_of, serving, until


class Doubler:
    """A signature in NumPy, that waits for `go` and refuses what is negative."""

    def __init__(self, batched=True):
        self.batched = batched
        self.go, self.seen = threading.Event(), []
        self.go.set()

    def run(self, inputs):
        assert self.go.wait(WAIT)
        self.seen.append(inputs["x"].tolist())
        if (inputs["x"] < 0).any():
            raise RequestError(StatusCode.INVALID_ARGUMENT, "negative")
        return {"y": 2 * inputs["x"]}


def run(work, **options):
    """Runs a coroutine with a batcher."""

    async def inside():
        batcher = Batcher(**options)
        try:
            return await work(batcher)
        finally:
            batcher.close()

    return asyncio.run(inside())


async def ask(batcher, signature, *values, **more):
    with batcher.place() as place:
        outputs = await batcher.run(signature, {"x": np.array(values), **more}, place)
        return outputs["y"].tolist()


def gather(batcher, signature, *requests):
    return asyncio.gather(*(ask(batcher, signature, *r) for r in requests), return_exceptions=True)


def test_waiting_requests_share_a_batch_and_get_their_own_rows():
    signature = Doubler()
    answers = run(lambda b: gather(b, signature, (1, 2), (3,), (4, 5)), max_batch=5, timeout=WAIT)
    assert answers == [[2, 4], [6], [8, 10]]
    assert signature.seen == [[1, 2, 3, 4, 5]]


def test_a_batch_never_exceeds_its_size():
    signature = Doubler()
    answers = run(lambda b: gather(b, signature, (1, 2), (3, 4), (5, 6)), max_batch=3, timeout=0.01)
    assert answers == [[2, 4], [6, 8], [10, 12]]
    assert all(len(batch) <= 3 for batch in signature.seen)


def test_the_oldest_waits_no_longer_than_the_timeout():
    assert run(lambda b: ask(b, Doubler(), 1), max_batch=100, timeout=0.001) == [2]


def test_different_shapes_and_signatures_do_not_mix():
    first, second = Doubler(), Doubler()

    async def work(batcher):
        return await asyncio.gather(
            ask(batcher, first, 1), ask(batcher, second, 2), ask(batcher, first, [3, 3]), ask(batcher, first, 0.5)
        )

    assert run(work, timeout=0.01) == [[2], [4], [[6, 6]], [1.0]]
    assert sorted(map(str, first.seen)) == ["[0.5]", "[1]", "[[3, 3]]"]
    assert second.seen == [[2]]


def test_unbatched_signatures_run_one_by_one_and_at_once():
    signature = Doubler(batched=False)
    assert run(lambda b: gather(b, signature, (1,), (2,)), timeout=WAIT) == [[2], [4]]
    assert signature.seen == [[1], [2]]


def test_one_bad_request_does_not_fail_the_others():
    answers = run(lambda b: gather(b, Doubler(), (1,), (-1,), (3,)), max_batch=3, timeout=WAIT)
    assert answers[0] == [2]
    assert answers[2] == [6]
    assert answers[1].code == StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("values", [(), (1, 2, 3)])
def test_sizes_of_a_request(values):
    with pytest.raises(RequestError, match="1 to 2 examples"):
        run(lambda b: ask(b, Doubler(), *values), max_batch=2)


def test_inputs_must_agree_on_the_number_of_examples():
    with pytest.raises(RequestError, match="'x': 1, 'z': 2"):
        run(lambda b: ask(b, Doubler(), 1, z=np.zeros(2)))


def test_the_queue_is_bounded():
    signature = Doubler()
    signature.go.clear()

    async def work(batcher):
        running = asyncio.create_task(ask(batcher, signature, 0))
        await until_async(lambda: batcher.waiting == 0 and batcher._free == 0)
        waiting = [asyncio.create_task(ask(batcher, signature, i)) for i in (1, 2)]
        await until_async(lambda: batcher.waiting == 2)
        with pytest.raises(RequestError) as error:
            await ask(batcher, signature, 3)
        signature.go.set()
        return error.value.code, await running, await asyncio.gather(*waiting)

    code, *answers = run(work, max_queue=2, timeout=0)
    assert code == StatusCode.RESOURCE_EXHAUSTED
    assert answers == [[0], [[2], [4]]]


def test_cancelled_requests_leave_the_queue_without_being_run():
    signature = Doubler()
    signature.go.clear()

    async def work(batcher):
        running = asyncio.create_task(ask(batcher, signature, 0))
        await until_async(lambda: batcher._free == 0)
        gone, stays = (asyncio.create_task(ask(batcher, signature, i)) for i in (1, 2))
        await until_async(lambda: batcher.waiting == 2)
        gone.cancel()
        await until_async(lambda: batcher.waiting == 1)
        signature.go.set()
        return await running, await stays

    assert run(work, timeout=0) == ([0], [4])
    assert signature.seen == [[0], [2]]


def test_a_failure_in_the_worker_is_answered_and_the_next_request_runs(caplog):
    broken = types.SimpleNamespace(batched=True, run=lambda inputs: 1 / 0)

    async def work(batcher):
        return await gather(batcher, broken, (1,), (2,)), await ask(batcher, Doubler(), 3)

    failed, answer = run(work, max_batch=2, timeout=0.01)
    assert [error.code for error in failed] == [StatusCode.INTERNAL] * 2
    assert answer == [6]
    assert caplog.records[0].exc_info


def test_outputs_without_the_batch_s_rows_are_run_alone():
    signature = types.SimpleNamespace(batched=True, run=lambda inputs: {"y": inputs["x"][:1] * 2})
    assert run(lambda b: gather(b, signature, (1,), (2,)), max_batch=2, timeout=WAIT) == [[2], [4]]


async def until_async(condition):
    async with asyncio.timeout(WAIT):
        while not condition():
            await asyncio.sleep(0.005)


class TestInAServer:
    def test_concurrent_requests_are_batched_and_split(self, counter):
        with serving(counter, batch_timeout=0.2) as running, concurrent.futures.ThreadPoolExecutor(16) as pool:
            client = running.client
            answers = list(pool.map(client.add, [v % 13 for v in range(64)]))
            assert [int(a[0, 0, 0]) for a in answers] == [v % 13 + 1 for v in range(64)]
            assert client.metric('serving_batch_size_sum{model="counter"}') == 64
            assert client.metric('serving_batch_size_count{model="counter"}') < 64

    def test_a_bad_id_fails_only_its_own_request(self, counter):
        with serving(counter, batch_timeout=0.2) as running, concurrent.futures.ThreadPoolExecutor(8) as pool:
            client = running.client

            def ask(value):
                try:
                    return int(client.add(value)[0, 0, 0])
                except grpc.RpcError as error:
                    return error.code().name

            values = [1, 2, 13, 3, 4, 5, 77, 6]
            assert list(pool.map(ask, values)) == [2, 3, "INVALID_ARGUMENT", 4, 5, 6, "INVALID_ARGUMENT", 7]

    def test_the_queue_s_bound_over_both_protocols(self, counter, tmp_path):
        with serving(counter, max_queue=2, max_batch=1, batch_timeout=0) as running:
            client = running.client
            calls = [client.wait_for(tmp_path / "go")]
            until(lambda: client.batches() == 1)
            calls += [client.wait_for(tmp_path / "go") for _ in range(2)]
            until(lambda: client.waiting() == 2)
            code, message = client.refused(inputs={"x": np.zeros((1, 4, 4), np.uint8)})
            assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "2 requests are waiting" in message
            assert client.post({"instances": [[[0] * 4] * 4]})[0] == 429
            (tmp_path / "go").touch()
            assert [answer_of(call) for call in calls] == [1, 1, 1]
