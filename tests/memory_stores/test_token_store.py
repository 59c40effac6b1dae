"""TokenStore: what it takes, what it refuses, and how it ranks."""

import pytest

from memory_stores import Forget, Item, Keep, Link, OpResult, Overwrite, Refusal, Retrieve, Stamp, TokenStore, Write


def cost(text: str) -> int:
    return len(text.split())


def held(store):
    return [(item.id, item.text) for item in store.entries()]


def test_ids_count_up_and_an_overwritten_item_gets_a_new_one_at_the_end():
    store = TokenStore(10, cost)
    assert store.apply(Write("key in box")).created == ("t1",)
    assert store.apply(Write("Ana in Rome")).created == ("t2",)
    assert store.apply(Overwrite("t1", "key in bag")) == OpResult(created=("t3",), removed=("t1",))
    assert held(store) == [("t2", "Ana in Rome"), ("t3", "key in bag")]
    assert store.get("t3").replaces == "t1"
    assert store.get("t1") is None


def test_an_item_carries_its_cost_and_where_it_came_from():
    store = TokenStore(10, cost)
    stamp = Stamp(step=4, observation_id="o4", writer="controller", trust=0.25)
    store.apply(Write("key in box"), stamp)
    assert store.entries() == (Item(id="t1", text="key in box", tokens=3, stamp=stamp),)
    assert store.tokens_used == 3


def test_a_text_that_does_not_fit_is_refused_and_one_that_fits_exactly_is_not():
    store = TokenStore(5, cost)
    assert store.apply(Write("one two three")).done
    assert store.apply(Write("four five six")).refused is Refusal.OVER_BUDGET
    assert store.apply(Write("four five")).done
    assert store.tokens_used == 5


def test_overwriting_counts_the_room_of_what_goes():
    store = TokenStore(3, cost)
    store.apply(Write("one two three"))
    assert store.apply(Overwrite("t1", "four five six")).done
    assert store.apply(Overwrite("t2", "a b c d")).refused is Refusal.OVER_BUDGET
    assert held(store) == [("t2", "four five six")]


def test_the_same_text_from_the_same_observation_is_held_once():
    store, here = TokenStore(20, cost), Stamp(observation_id="o1")
    store.apply(Write("key in box"), here)
    assert store.apply(Write("key in box"), here).refused is Refusal.DUPLICATE
    assert store.apply(Overwrite("t1", "key in box"), here).refused is Refusal.DUPLICATE
    assert store.apply(Write("key in box"), Stamp(observation_id="o2")).done
    store.apply(Forget("t1"))
    assert store.apply(Write("key in box"), here).done


def test_typed_text_without_an_observation_may_repeat():
    store = TokenStore(20, cost)
    assert store.apply(Write("milk")).done
    assert store.apply(Write("milk")).done


@pytest.mark.parametrize(
    ("op", "refusal"),
    [
        (Write(" \n"), Refusal.EMPTY_TEXT),
        (Write("x", "archive"), Refusal.NO_SUCH_STORE),
        (Overwrite("t9", "x"), Refusal.UNKNOWN_ID),
        (Forget("t9"), Refusal.UNKNOWN_ID),
        (Link("a", "b", "c"), Refusal.UNSUPPORTED),
        (Retrieve("x", "archive"), Refusal.NO_SUCH_STORE),
        (Retrieve("x", "token", k=0), Refusal.BAD_ARGUMENT),
        (Retrieve("x", "token", hops=-1), Refusal.BAD_ARGUMENT),
        (Retrieve(" ", "token"), Refusal.EMPTY_TEXT),
    ],
)
def test_refusals_say_why(op, refusal):
    assert TokenStore(10, cost).apply(op) == OpResult(refused=refusal)


def test_retrieval_scores_the_share_of_query_words_and_ties_go_to_the_older():
    store = TokenStore(40, cost)
    for text in ("Bob has the lamp", "the key is in the box", "THE KEY, says Ana", "nothing here"):
        store.apply(Write(text))
    hits = store.apply(Retrieve("the key", "token", k=4), Stamp(step=9)).hits
    # "the key" has two words: t2 and t3 hold both, t1 one, t4 none.
    assert [(hit.id, hit.score) for hit in hits] == [("t2", 1.0), ("t3", 1.0), ("t1", 0.5)]
    assert [(item.uses, item.used_at) for item in store.entries()] == [(1, 9), (1, 9), (1, 9), (0, -1)]


def test_a_query_without_words_finds_nothing():
    store = TokenStore(10, cost)
    store.apply(Write("key in box"))
    assert store.apply(Retrieve("???", "token")) == OpResult()


def test_entries_are_the_same_object_until_something_changes():
    store = TokenStore(10, cost)
    store.apply(Write("key in box"))
    first = store.entries()
    store.apply(Keep())
    store.apply(Write(""))
    assert store.entries() is first
    store.apply(Forget("t1"))
    assert store.entries() == ()
    assert len(first) == 1


def test_a_text_is_counted_once_for_all_forks():
    counted = []

    def slow_cost(text):
        counted.append(text)
        return 1

    store = TokenStore(10, slow_cost)
    store.apply(Write("key"))
    store.fork().apply(Write("key"))
    TokenStore(10, slow_cost).apply(Write("key"))
    assert counted == ["key"]


def test_the_hash_is_the_same_in_every_process():
    store = TokenStore(10, cost)
    assert store.state_hash() == "0" * 32
    store.apply(Write("key in box"), Stamp(step=3, observation_id="o3"))
    assert store.state_hash() == "a081e96388f1b391a7f089f987bacf6f"


def test_a_negative_budget_is_an_error_of_the_programmer():
    with pytest.raises(ValueError, match=r"TokenStore.budget = -1: it must be at least 0"):
        TokenStore(-1, cost)


def test_what_is_no_op_is_an_error_of_the_programmer():
    with pytest.raises(TypeError, match="apply takes a MemoryOp"):
        TokenStore(10, cost).apply("write this down")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "graph_store"}, "loads only the state of a 'token_store'"),
        ({"budget": 2}, "hold 3 tokens, more than the budget"),
        ({"serial": 0}, "ids must be t1 to t0"),
        ({"serial": "many"}, "serial = 'many'"),
        ({"items": 5}, "items = 5"),
        ({"items": [{"id": "t1"}]}, "stamp = None"),
    ],
)
def test_a_bad_state_is_refused_in_one_line_and_changes_nothing(change, message):
    store = TokenStore(10, cost)
    store.apply(Write("key in box"))
    before = store.state_dict()
    with pytest.raises(ValueError, match=message) as error:
        store.load_state_dict({**before, **change})
    assert "\n" not in str(error.value)
    assert store.state_dict() == before


def test_a_state_with_a_field_of_the_wrong_type_is_refused():
    store = TokenStore(10, cost)
    store.apply(Write("key in box"))
    state = store.state_dict()
    state["items"][0]["text"] = 7
    with pytest.raises(ValueError, match=r"Item.text = 7: it must be of type str"):
        store.load_state_dict(state)
