"""Taking in a text does not walk over what is held: the work does not grow with memory."""

import sys
from functools import partial

import pytest

from memory_stores.types import Stamp, Write
from memrl.agent import wrap


@pytest.fixture
def calls():
    """Counts the calls, of Python and of C, that something makes."""

    def count(work):
        counted = [0]

        def seen(frame, event, arg):
            counted[0] += event in ("call", "c_call")

        sys.setprofile(seen)
        try:
            work()
        finally:
            sys.setprofile(None)
        return counted[0]

    yield count
    sys.setprofile(None)


def test_the_work_of_an_observation_does_not_grow_with_memory(calls, monkeypatch):
    agent = wrap("tiny", archive_tokens=1_000_000)
    # What it does ahead for the next question, once in a while, is spread over many observations.
    monkeypatch.setattr("memrl.controllers.entry_offers.AHEAD", 10**9)
    needed, held = {}, 0
    for size in (50, 2000):
        for n in range(held, size):
            agent.memory.apply(Write(f"note {n}", "archive"), Stamp(step=n, observation_id=f"x{n}"))
        held = size
        texts = [f"Ana put lamp {n} of {size} in the attic." for n in range(5)]
        needed[size] = min(calls(partial(agent.observe, text)) for text in texts)
    assert needed[2000] <= 1.2 * needed[50]
