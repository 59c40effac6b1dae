"""What becomes of an observation: kept, known already, refused and why, cut, or given room."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from wrapped import DAY, NOON, Clock, agent_of

from memory_stores.types import Forget, Write
from memrl.agent import Fate, Reason
from memrl.contracts.errors import InputError


def texts(agent) -> list[str]:
    return [one.text for one in agent.all()]


def test_a_kept_text_says_where_it_is_held():
    agent = agent_of()
    seen = agent.observe("Ana put the lantern in the attic.", source="Ben", metadata={"room": "attic"})
    assert seen.kept and seen and str(seen) == "remembered"
    assert [agent.get(id).text for id in seen] == ["Ana put the lantern in the attic."]
    assert agent.get(seen.ids[0]).details.source == "Ben"
    assert agent.get(seen.ids[0]).details.metadata == {"room": "attic"}


def test_the_same_text_is_held_once_and_counts_as_the_newest():
    agent = agent_of()
    for text in ("I live in Paris.", "I live in Berlin.", "I  live in\nParis. "):
        seen = agent.observe(text, source="Ana")
    assert seen.duplicate and not seen.kept and str(seen) == "already known"
    assert texts(agent) == ["I live in Berlin.", "I live in Paris."]
    again = agent.observe("I live in Paris.")
    assert again.duplicate and again.ops == () and again.ids == seen.ids


def test_who_is_trusted_less_does_not_take_a_text_over():
    agent = agent_of()
    first = agent.observe("The code is 4711.", trust=0.9)
    agent.observe("It rained.")
    assert agent.observe("The code is 4711.", trust=0.2).ids == first.ids
    assert agent.get(first.ids[0]).trust == 0.9
    better = agent.observe("The code is 4711.", trust=1.0)
    assert agent.get(better.ids[0]).trust == 1.0 and len(agent.memory) == 2


def test_a_repeated_text_keeps_what_was_known_of_it():
    agent = agent_of()
    agent.observe("The code is 4711.", source="Ana", metadata={"kind": "code"})
    agent.observe("It rained.")
    seen = agent.observe("The code is 4711.", metadata={"seen": 2})
    assert agent.get(seen.ids[0]).details.metadata == {"kind": "code", "seen": 2}
    assert agent.get(seen.ids[0]).details.source == "Ana"


def test_blank_text_is_refused_and_says_so():
    seen = agent_of().observe(" \n\t")
    assert seen.refused and seen.reason is Reason.BLANK and not seen and "blank" in str(seen)


def test_a_full_archive_lets_go_of_what_was_neither_written_nor_read_for_longest():
    agent = agent_of(archive_tokens=12)
    for text in ("one one one", "two two two", "three three three", "four four four"):
        assert agent.observe(text).kept
    agent.ask("one")  # everything that fits the view was read now, in order of how well it fits
    read = {line.text for line in agent.ask("one").used}
    assert read == set(texts(agent))
    seen = agent.observe("five five five")
    assert seen.kept and len(seen.evicted) == 1 and isinstance(seen.ops[0], Forget) and isinstance(seen.ops[1], Write)
    assert len(agent.memory) == 4 and "five five five" in texts(agent)
    assert "older" in str(seen)


def test_of_a_full_archive_the_oldest_goes_where_nothing_was_read():
    agent = agent_of(archive_tokens=9)
    for number in range(20):
        agent.observe(f"fact number {number}")
    assert texts(agent) == ["fact number 17", "fact number 18", "fact number 19"]


def test_what_can_never_fit_is_refused_and_changes_nothing():
    agent = agent_of(archive_tokens=8)
    agent.observe("one two three")
    before = agent.memory.state_hash()
    seen = agent.observe("a b c d e f g h i j")
    assert seen.refused and seen.reason is Reason.TOO_LONG and agent.memory.state_hash() == before


def test_a_long_text_is_cut_so_that_every_part_can_be_seen():
    agent = agent_of(read_tokens=20)
    seen = agent.observe("The vault opens with 88-12-45. " + "Nothing else happened here on that day. " * 5)
    assert seen.kept and len(seen.ids) > 1
    assert all(agent.memory.get(id).tokens <= 10 for id in seen)
    used = [line.text for line in agent.ask("How does the vault open?").used]
    assert any("88-12-45" in text for text in used)
    assert len({agent.memory.get(id).stamp.observation_id for id in seen}) == len(seen.ids)


def test_a_text_without_blanks_is_cut_between_characters():
    from memrl.agent.texts import pieces

    assert pieces("abcdefgh", 3, len) == ["abc", "def", "gh"]
    assert pieces("ab. cd. ef.", 7, len) == ["ab. cd.", "ef."]
    assert pieces("abc", 0, len) == []


@pytest.mark.parametrize("text", [None, b"x", 7, ["x"], "half \ud83d a pair"])
def test_what_is_no_text_is_one_clear_line(text):
    agent = agent_of()
    with pytest.raises(InputError, match=r"observe\(text\)"):
        agent.observe(text)
    with pytest.raises(ValueError):
        agent.ask(text)
    assert len(agent.memory) == 0


@pytest.mark.parametrize("trust", [5, -1, math.nan, math.inf, "much", True, None.__class__])
def test_trust_lies_between_0_and_1(trust):
    with pytest.raises(InputError, match=r"trust=\) = .*\[0, 1\]"):
        agent_of().observe("x", trust=trust)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"time": "yesterday"}, r"time=\) = 'yesterday'"),
        ({"time": math.nan}, r"time=\) = nan"),
        ({"time": 1e20}, r"time=\) = 1e\+20"),
        ({"source": 3}, r"source=\)"),
        ({"metadata": {"a": object()}}, r"metadata=\): it must be a JSON object"),
        ({"metadata": {1: 2}}, r"metadata=\)"),
        ({"metadata": {"a": math.nan}}, r"metadata=\)"),
    ],
)
def test_other_arguments_are_checked(arguments, match):
    with pytest.raises(InputError, match=match):
        agent_of().observe("x", **arguments)


def test_many_are_checked_before_the_first_is_kept():
    agent = agent_of()
    with pytest.raises(InputError, match="observe_many"):
        agent.observe_many(["good", {"text": "bad", "trust": 7}])
    with pytest.raises(InputError, match="'txt' is none of text"):
        agent.observe_many([{"txt": "bad"}])
    assert len(agent.memory) == 0
    fates = [one.fate for one in agent.observe_many(["a fact", {"text": "a fact", "source": "Ana"}, " "])]
    assert fates == [Fate.KEPT, Fate.DUPLICATE, Fate.REFUSED]


def test_steps_go_on_after_what_is_held():
    agent = agent_of(clock=Clock(NOON - DAY))
    ids = [id for text in ("one", "two") for id in agent.observe(text)]
    assert [agent.memory.get(id).stamp.step for id in ids] == [0, 1]
    assert agent.get(ids[0]).details.time == NOON - DAY


@pytest.mark.parametrize("texts", ["abc", b"abc", {"text": "one mapping"}, None, 3])
def test_what_is_no_list_of_texts_is_one_line(texts):
    agent = agent_of()
    with pytest.raises(InputError, match=r"observe_many\(texts\) = .*: pass a list of texts"):
        agent.observe_many(texts)
    assert len(agent.memory) == 0


@pytest.mark.parametrize("text", ["\0", "\x07 \x00", " \n ", "\u200b\ufeff", "\u2060 "])
def test_what_shows_nothing_is_blank(text):
    assert str(agent_of().observe(text)) == "nothing to remember: the text is blank"


def test_fields_that_are_the_memorys_own_are_refused():
    agent = agent_of()
    with pytest.raises(InputError, match=r"observe\(metadata=\): .*'memrl_'.*name 'memrl_also' otherwise"):
        agent.observe("x", metadata={"memrl_also": 5})
    with pytest.raises(InputError, match=r"surrogate"):
        agent.observe("x", metadata={"note": "\ud800"})
    assert len(agent.memory) == 0


def test_an_update_keeps_what_is_known_of_the_entry():
    clock = Clock()
    agent = agent_of(clock=clock)
    [id] = agent.observe("I live in Olso.", source="ana", metadata={"n": 1})
    clock.now += DAY
    [new] = agent.update(id, "I live in Oslo.")
    details = agent.get(new).details
    assert (details.time, details.source, details.metadata) == (NOON, "ana", {"n": 1})
    [last] = agent.update(new, "I live in Rome.", metadata={"n": 2})
    assert agent.get(last).details.metadata == {"n": 2} and agent.get(last).details.time == NOON


def test_an_update_keeps_the_rules_of_what_is_held():
    agent = agent_of()
    [id] = agent.observe("I live in Oslo.")
    [other] = agent.observe("My cat is Mia.")
    held = agent.memory.state_hash()
    assert agent.update(id, "word " * 50).reason is Reason.TOO_LONG
    assert agent.update(id, " ").reason is Reason.BLANK
    same = agent.update(id, "My cat  is Mia.")
    assert same.duplicate and same.ids == (other,) and agent.memory.state_hash() == held


@pytest.mark.parametrize("id", [None, 3, ["a1"]])
def test_a_history_is_asked_for_by_an_id(id):
    agent = agent_of()
    [gone] = agent.observe("secret")
    agent.delete(gone)
    with pytest.raises(InputError, match=r"history\(id\) = .*: it must be an id"):
        agent.history(id)
