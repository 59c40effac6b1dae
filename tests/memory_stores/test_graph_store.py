"""GraphStore: edges, history, conflicts, and both ways to walk."""

import networkx
import pytest

from memory_stores import Forget, GraphStore, Link, OpResult, Refusal, Relink, Retrieve, Stamp, Unlink, Write


def cost(text: str) -> int:
    return len(text.split())


def linked(budget, *triples):
    store = GraphStore(budget, cost)
    for step, triple in enumerate(triples):
        assert store.apply(Link(*triple), Stamp(step=step)).done
    return store


def found(store, query, k=9, hops=0):
    return [(hit.id, hit.score) for hit in store.apply(Retrieve(query, "graph", k, hops), Stamp(step=50)).hits]


def test_an_edge_costs_what_its_text_costs():
    store = linked(10, ("Ana", "lives in", "New York"))
    edge = store.get("g1")
    assert edge.text == "Ana lives in New York"
    assert edge.tokens == store.tokens_used == 5


def test_relinking_keeps_the_old_edge_as_history_and_says_when_each_held():
    store = linked(20, ("key", "in", "box"))
    assert store.apply(Relink("g1", "bag"), Stamp(step=4)) == OpResult(created=("g2",), removed=("g1",))
    assert [edge.text for edge in store.entries()] == ["key in bag"]
    assert store.get("g2").replaces == "g1"
    assert store.get("g1") is None
    assert [(edge.id, edge.invalid_at) for edge in store.history()] == [("g1", 4)]
    assert [edge.object for edge in store.at(3)] == ["box"]
    assert [edge.object for edge in store.at(4)] == ["bag"]
    assert store.at(-1) == ()
    assert (len(store), store.tokens_used) == (1, 6)


def test_history_gives_way_to_new_edges_oldest_first():
    store = linked(9, ("key", "in", "box"))
    store.apply(Relink("g1", "bag"))
    store.apply(Relink("g2", "jar"))
    assert [edge.id for edge in store.history()] == ["g1", "g2"]
    store.apply(Link("Ana", "has", "key"))
    assert [edge.id for edge in store.history()] == ["g2"]
    store.apply(Link("Bob", "has", "jar"))
    assert store.history() == ()
    assert store.apply(Link("Cyd", "has", "pen")).refused is Refusal.OVER_BUDGET
    assert [edge.id for edge in store.entries()] == ["g3", "g4", "g5"]


def test_a_relink_without_room_for_history_drops_the_old_edge():
    store = linked(3, ("key", "in", "box"))
    assert store.apply(Relink("g1", "bag")).done
    assert store.history() == ()
    assert store.apply(Relink("g2", "a big bag")).refused is Refusal.OVER_BUDGET
    assert store.get("g2").object == "bag"


def test_unlinking_removes_an_edge_with_its_whole_past_and_no_other():
    store = linked(40, ("key", "in", "box"), ("pen", "in", "box"))
    store.apply(Relink("g1", "bag"))
    store.apply(Relink("g2", "jar"))
    store.apply(Relink("g3", "hat"))
    assert [edge.id for edge in store.history()] == ["g1", "g2", "g3"]
    assert store.apply(Unlink("g5")) == OpResult(removed=("g5",))
    assert [edge.id for edge in store.history()] == ["g2"]
    assert [edge.text for edge in store.entries()] == ["pen in jar"]
    assert store.tokens_used == 6


def test_a_live_triple_is_held_once_but_may_return_after_it_was_superseded():
    store = linked(20, ("key", "in", "box"))
    assert store.apply(Link("key", "in", "box")).refused is Refusal.DUPLICATE
    assert store.apply(Relink("g1", "box")).refused is Refusal.DUPLICATE
    store.apply(Relink("g1", "bag"))
    assert store.apply(Link("key", "in", "box")).done


@pytest.mark.parametrize(
    ("op", "refusal"),
    [
        (Link("key", " ", "box"), Refusal.EMPTY_TEXT),
        (Relink("g1", ""), Refusal.EMPTY_TEXT),
        (Relink("g9", "bag"), Refusal.UNKNOWN_ID),
        (Unlink("g9"), Refusal.UNKNOWN_ID),
        (Forget("g1"), Refusal.UNSUPPORTED),
        (Write("key in box", "graph"), Refusal.UNSUPPORTED),
        (Retrieve("key"), Refusal.NO_SUCH_STORE),
        (Retrieve("key", "graph", k=0), Refusal.BAD_ARGUMENT),
        (Retrieve("key", "graph", hops=-1), Refusal.BAD_ARGUMENT),
        (Retrieve("", "graph"), Refusal.EMPTY_TEXT),
    ],
)
def test_graph_refusals_say_why(op, refusal):
    assert linked(20, ("key", "in", "box")).apply(op).refused is refusal


def test_conflicts_are_the_live_edges_of_the_same_subject_and_relation():
    store = linked(
        40, ("Ana", "likes", "tea"), ("Ana", "has", "key"), ("Ana", "likes", "figs"), ("Bob", "likes", "tea")
    )
    assert [edge.id for edge in store.conflicts("Ana", "likes")] == ["g1", "g3"]
    store.apply(Relink("g1", "milk"))
    assert [edge.id for edge in store.conflicts("Ana", "likes")] == ["g3", "g5"]
    store.apply(Unlink("g3"))
    assert [edge.object for edge in store.conflicts("Ana", "likes")] == ["milk"]
    assert store.conflicts("Cyd", "likes") == ()


CHAIN = (("Ana", "knows", "Bob"), ("Bob", "knows", "Cyd"), ("Dan", "knows", "Cyd"), ("Eve", "knows", "Fay"))


def test_a_walk_goes_both_ways_and_scores_one_over_the_distance():
    store = linked(40, *CHAIN)
    assert found(store, "whom does ana know?", hops=1) == [("g1", 1.0)]
    assert found(store, "Ana", hops=3) == [("g1", 1.0), ("g2", 1 / 2), ("g3", 1 / 3)]
    assert found(store, "Ana", hops=9, k=2) == [("g1", 1.0), ("g2", 1 / 2)]
    # From Bob both of his edges are near; the newer one comes first.
    assert found(store, "Bob", hops=2) == [("g2", 1.0), ("g1", 1.0), ("g3", 1 / 2)]


def test_a_retrieved_edge_is_counted_as_used():
    store = linked(40, *CHAIN)
    found(store, "Ana", hops=1)
    assert [(edge.uses, edge.used_at) for edge in store.entries()] == [(1, 50), (0, -1), (0, -1), (0, -1)]


def test_pagerank_agrees_with_the_numbers_worked_by_hand():
    # Chain Ana - Bob - Cyd, restart at Ana, damping 0.85. With b = Bob's rank: Ana = 0.15 + 0.425 b, Cyd = 0.425 b and
    # b = 0.85 (Ana + Cyd), so b = 0.1275 / 0.2775 = 0.459459, Ana = 0.345270, Cyd = 0.195270.
    # The edges: 0.804730 and 0.654730; against the best: 1 and 0.813602.
    store = linked(40, CHAIN[0], CHAIN[1], CHAIN[3])
    hits = found(store, "Ana")
    assert [id for id, _ in hits] == ["g1", "g2"]
    assert [score for _, score in hits] == pytest.approx([1.0, 0.813602], abs=1e-6)


def test_pagerank_ties_go_to_the_newer_edge():
    store = linked(40, ("Ana", "knows", "Bob"), ("Ana", "knows", "Cyd"), ("Dan", "knows", "Ana"))
    assert [id for id, _ in found(store, "Ana", k=2)] == ["g3", "g2"]


def test_names_match_as_whole_words_and_long_names_use_up_their_words():
    store = linked(60, ("New York", "has", "Bob"), ("York", "has", "Cyd"), ("Ann", "in", "York"))
    assert [id for id, _ in found(store, "who is in NEW YORK?", hops=1)] == ["g1"]
    assert [id for id, _ in found(store, "York, or New York", hops=1)] == ["g3", "g2", "g1"]
    assert found(store, "Anna", hops=1) == []
    assert store.apply(Retrieve("nobody", "graph")) == OpResult()


def test_a_self_loop_is_walked_once():
    store = linked(20, ("Ana", "trusts", "Ana"))
    assert found(store, "Ana", hops=2) == [("g1", 1.0)]
    assert found(store, "Ana") == [("g1", 1.0)]


def test_the_graph_is_a_frozen_networkx_view_of_the_live_edges():
    store = linked(40, ("Ana", "likes", "tea"), ("Ana", "hates", "tea"))
    store.apply(Relink("g2", "milk"))
    graph = store.graph
    assert isinstance(graph, networkx.MultiDiGraph)
    assert sorted(graph.edges(keys=True, data="relation")) == [
        ("Ana", "milk", "g3", "hates"),
        ("Ana", "tea", "g1", "likes"),
    ]
    assert store.entities() == ("Ana", "tea", "milk")
    with pytest.raises(networkx.NetworkXError):
        graph.add_edge("a", "b")


def test_history_is_part_of_the_hash():
    straight, detour = linked(20, ("key", "in", "bag")), linked(20, ("key", "in", "box"))
    detour.apply(Relink("g1", "bag"), Stamp(step=0))
    assert [edge.text for edge in straight.entries()] == [edge.text for edge in detour.entries()]
    assert straight.state_hash() != detour.state_hash()


def test_history_survives_a_round_trip():
    store = linked(20, ("key", "in", "box"))
    store.apply(Relink("g1", "bag"), Stamp(step=4))
    other = GraphStore(1, cost)
    other.load_state_dict(store.state_dict())
    assert (other.history(), other.budget) == (store.history(), 20)
    assert [edge.object for edge in other.at(2)] == ["box"]
