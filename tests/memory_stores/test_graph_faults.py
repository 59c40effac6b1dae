"""One entity however its name is written; late reports in their place in time."""

import itertools
import json

import pytest

from memory_stores import GraphStore, Link, OpResult, Refusal, Relink, Stamp, Unlink


def cost(text: str) -> int:
    return len(text.split())


def moved(*steps, budget=99):
    """A key that was put somewhere at each step, told in this order."""
    store = GraphStore(budget, cost)
    store.apply(Link("key", "in", f"box {steps[0]}"), Stamp(step=steps[0]))
    for step in steps[1:]:
        [live] = store.entries()
        assert store.apply(Relink(live.id, f"box {step}"), Stamp(step=step)).done
    return store


def test_a_late_report_becomes_history_and_the_newer_edge_stays():
    store = moved(9)
    result = store.apply(Relink("g1", "bag"), Stamp(step=1, observation_id="late"))
    assert result == OpResult(created=("g2",))
    assert [(edge.id, edge.object, edge.valid_at) for edge in store.entries()] == [("g1", "box 9", 9)]
    [past] = store.history()
    assert (past.id, past.object, past.valid_at, past.invalid_at) == ("g2", "bag", 1, 9)
    assert past.stamp.observation_id == "late" and store.get("g1").replaces == "g2"
    assert [edge.object for step in (0, 1, 8, 9) for edge in store.at(step)] == ["bag", "bag", "box 9"]


@pytest.mark.parametrize("order", list(itertools.permutations((2, 4, 6, 8))))
def test_reports_in_any_order_tell_the_same_story(order):
    store, straight = moved(*order), moved(2, 4, 6, 8)
    for step in range(10):
        assert [edge.text for edge in store.at(step)] == [edge.text for edge in straight.at(step)], step
    assert store.state_hash() == straight.state_hash()
    again = GraphStore(0, cost)
    again.load_state_dict(json.loads(json.dumps(store.state_dict())))
    assert again.state_dict() == store.state_dict() and again.state_hash() == store.state_hash()
    [live] = store.entries()
    assert store.apply(Unlink(live.id)).done and store.history() == () and store.tokens_used == 0


def test_a_late_report_needs_room_beside_the_newer_edge():
    store = moved(9, budget=7)  # 4 tokens
    before = json.dumps(store.state_dict())
    assert store.apply(Relink("g1", "bag 1"), Stamp(step=1)).refused is Refusal.OVER_BUDGET
    assert json.dumps(store.state_dict()) == before
    assert store.apply(Relink("g1", "bag"), Stamp(step=1)).done and store.tokens_used == 7


def test_a_relink_without_a_stamp_means_now():
    store = moved(9)
    assert store.apply(Relink("g1", "bag")) == OpResult(created=("g2",), removed=("g1",))


@pytest.mark.parametrize("name", ["ana", "ANA", " Ana ", "Ａｎａ", "Ana\n"])
def test_a_name_in_another_spelling_is_the_same_entity(name):
    store = GraphStore(99, cost)
    store.apply(Link("Ana", "has", "key"))
    assert store.apply(Link(name, "has", "key")).refused is Refusal.DUPLICATE
    assert store.apply(Link("Bob", "knows", name)).done
    assert store.apply(Link(name, "likes", "  green\ttea ")).done
    assert store.entities() == ("Ana", "key", "Bob", "green tea")
    assert [edge.id for edge in store.conflicts(name, " has")] == ["g1"]
    assert [edge.text for edge in store.entries()] == ["Ana has key", "Bob knows Ana", "Ana likes green tea"]


def test_composed_and_decomposed_names_are_one_entity_and_accents_tell_two_apart():
    store = GraphStore(99, cost)
    for name in ("José", "Jose\u0301", "Jose"):
        store.apply(Link(name, "has", "key"))
    assert [edge.subject for edge in store.entries()] == ["José", "Jose"]


def test_the_first_spelling_goes_with_the_last_edge_that_names_it():
    store = GraphStore(99, cost)
    store.apply(Link("ana", "has", "key"))
    twin = store.fork()
    store.apply(Unlink("g1"))
    store.apply(Link("Ana", "has", "pen"))
    twin.apply(Link("Ana", "has", "pen"))
    assert [edge.text for edge in store.entries()] == ["Ana has pen"]
    assert [edge.text for edge in twin.entries()] == ["ana has key", "ana has pen"]
    loaded = GraphStore(0, cost)
    loaded.load_state_dict(twin.state_dict())
    loaded.apply(Link("ANA", "has", "hat"))
    assert loaded.entries()[-1].text == "ana has hat"


def test_a_state_from_before_names_were_joined_loads_as_it_is():
    store = GraphStore(99, cost)
    store.apply(Link("Ana", "has", "key"))
    store.apply(Link("Bob", "has", "key"))
    state = json.loads(json.dumps(store.state_dict()).replace("Bob", "ana"))
    store.load_state_dict(state)
    assert [edge.subject for edge in store.entries()] == ["Ana", "ana"]
    assert store.apply(Unlink("g1")).done
    assert store.apply(Link("ANA", "has", "key")).refused is Refusal.DUPLICATE
    assert store.apply(Unlink("g2")).done and store.apply(Link("ANA", "has", "key")).done
