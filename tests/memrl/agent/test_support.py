"""What is hardly to be believed is held, and no answer rests on it until others say it too or it has proven right."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from wrapped import Reader, agent_of

from memrl.agent.results import Details
from memrl.agent.support import again
from memrl.contracts.errors import InputError

RUMOUR = "The vault opens with the silver key."
KNOWN = "The garden gate opens with the iron key."


@pytest.fixture(params=["ram", "file"])
def place(request, tmp_path: Path) -> Path | None:
    return None if request.param == "ram" else tmp_path / "notes.db"


def shown(agent) -> list[str]:
    """What the model has in view when it is asked about keys."""
    return [line.text for line in agent.ask("Which key opens the vault, and which the garden gate?").used]


def test_two_independent_sources_are_believed_where_one_is_not_however_often_it_says_it(place):
    agent = agent_of(memory=place)
    agent.observe(KNOWN, source="Ana")
    for _ in range(3):
        assert agent.observe(RUMOUR, source="web", trust=0.3)
        agent.observe("It rained.", source="Ana")
    assert KNOWN in shown(agent) and RUMOUR not in shown(agent) and agent.search("vault", 1)[0].trust == 0.3
    assert agent.observe(RUMOUR, source="forum", trust=0.3).duplicate
    [held] = agent.search("vault", 1)
    assert held.trust == 0.51 and (held.details.source, held.details.also) == ("forum", ("web",))
    assert set(shown(agent)) >= {KNOWN, RUMOUR}
    again_there = agent_of(memory=place) if place else agent
    assert set(shown(again_there)) >= {KNOWN, RUMOUR}


@pytest.mark.parametrize("second", ["The vault opens with the golden key.", RUMOUR.replace("silver", "silvery")])
def test_a_text_that_is_merely_alike_supports_nothing(second: str):
    agent = agent_of()
    agent.observe(RUMOUR, source="web", trust=0.3)
    agent.observe(second, source="forum", trust=0.3)
    assert shown(agent) == []


def test_what_proves_right_is_believed_and_keeps_what_is_known_of_it(place):
    agent = agent_of(memory=place)
    [id] = agent.observe(RUMOUR, source="web", trust=0.1, metadata={"topic": "keys"})
    assert shown(agent) == []
    right = agent.verify(id)
    assert (right.text, right.trust, right.details.source) == (RUMOUR, 1.0, "web")
    assert right.details.metadata == {"topic": "keys"} and agent.get(id) == right
    assert shown(agent) == [RUMOUR]
    with pytest.raises(InputError, match=r"verify\(id\) = 'a77': there is no item"):
        agent.verify("a77")


def test_the_floor_is_the_caller_s_to_set_and_a_flood_below_it_hides_nothing():
    trusting = agent_of(trust_floor=0.0)
    trusting.observe(RUMOUR, trust=0.0)
    assert shown(trusting) == [RUMOUR]
    agent = agent_of(Reader(), archive_tokens=5000)
    agent.observe(KNOWN)
    agent.observe_many(
        {"text": f"The garden gate opens with the key {n}, which opens the vault.", "trust": 0.49} for n in range(200)
    )
    assert shown(agent) == [KNOWN]
    with pytest.raises(InputError, match=r"wrap\(trust_floor=\) = 2"):
        agent_of(trust_floor=2)


@pytest.mark.parametrize(
    ("trust", "before", "said_trust", "said", "together", "also"),
    [
        (0.3, Details(source="a"), 0.3, Details(source="b"), 0.51, ("a",)),
        (0.51, Details(source="b", also=("a",)), 0.5, Details(source="c"), 0.755, ("a", "b")),
        (0.51, Details(source="b", also=("a",)), 0.4, Details(source="a"), 0.51, ("b",)),
        (0.3, Details(source="a"), 0.9, Details(source="a"), 0.9, ()),
        (0.3, Details(), 0.3, Details(source="b"), 0.3, ()),
        (0.3, Details(source="a"), 0.3, Details(), 0.3, ()),
        (1.0, Details(source="a"), 0.2, Details(source="b"), 1.0, ("a",)),
    ],
)
def test_trust_of_what_several_say_is_a_noisy_or_over_sources(trust, before, said_trust, said, together, also):
    found, details = again(trust, before, said_trust, said)
    assert (found, details.also) == (together, also)
    assert details.source == (said.source or before.source)


@pytest.mark.parametrize("again", ["ana", " Ana ", "ANA", "Ａｎａ"])
def test_one_source_written_otherwise_is_one_source(again: str):
    agent = agent_of()
    agent.observe("The key is in the hall.", source="Ana", trust=0.3)
    agent.observe("The key is in the hall.", source=again, trust=0.3)
    assert [one.trust for one in agent.all()] == [0.3]


def test_one_text_whose_letters_are_put_together_otherwise_is_one_text():
    agent = agent_of()
    agent.observe("Caf\u00e9 Lou opens at nine.")
    assert agent.observe("Cafe\u0301 Lou opens at nine.").duplicate and len(agent.memory) == 1
