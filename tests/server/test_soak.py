"""The soak of `benchmarks/soak.py`, shortened: a real process, clients, malformed requests, a new version."""

from soak import soak
from soak_good import GOOD
from soak_malformed import BAD


def test_every_request_gets_its_right_answer():
    report = soak(total=300, clients=8, seed=1)
    assert report.problems == []
    assert all(counter.total() for counter in report.outcomes.values())
    assert len(report.outcomes) == len(GOOD) + len(BAD)
    assert "Wrong: 0." in report.table()
