"""One entity however its name is written; late reports do not win."""

import json

import pytest

from memory_stores import GraphStore, Link, OpResult, Refusal, Relink, Stamp, Unlink


def cost(text: str) -> int:
    return len(text.split())


def test_a_late_report_is_refused_and_the_newer_edge_stays():
    store = GraphStore(99, cost)
    store.apply(Link("key", "in", "box"), Stamp(step=2))
    store.apply(Relink("g1", "bag"), Stamp(step=9))
    before = json.dumps([store.state_dict(), store.state_hash()])
    for step in (1, 2, 8):
        late = store.apply(Relink("g2", "jar"), Stamp(step=step, observation_id="late"))
        assert late == OpResult(refused=Refusal.OUT_OF_DATE)
    assert json.dumps([store.state_dict(), store.state_hash()]) == before
    assert [edge.object for step in (2, 8, 9) for edge in store.at(step)] == ["box", "box", "bag"]
    assert store.apply(Relink("g2", "jar"), Stamp(step=9)).done  # at the same step the later word counts
    assert all(e.invalid_at >= e.valid_at for e in store.history())


def test_a_relink_without_a_stamp_means_now():
    store = GraphStore(99, cost)
    store.apply(Link("key", "in", "box"), Stamp(step=9))
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
