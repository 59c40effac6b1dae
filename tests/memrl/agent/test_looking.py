"""Search without a model, filters, history, updates, forgetting, users, and mem0's verbs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from wrapped import NOON, Reader, agent_of

from memrl.contracts.errors import InputError


@pytest.fixture(params=["ram", "file"])
def agent(request, tmp_path: Path):
    return agent_of(memory=None if request.param == "ram" else tmp_path / "notes.db")


def told(agent) -> None:
    agent.observe("My phone number is 555-0199.", source="Ana", metadata={"kind": "contact"})
    agent.observe("The kettle is in the cellar.", trust=0.4, time=NOON - 1000, metadata={"kind": "place", "floor": -1})
    agent.observe("Ben's cat is called Tiger.", metadata={"kind": "pet"})


def test_a_search_finds_the_best_first_and_asks_no_model(agent):
    told(agent)
    hits = agent.search("where is the kettle", 2)
    assert hits[0].text == "The kettle is in the cellar." and len(hits) == 2
    assert 1 >= hits[0].score >= hits[1].score > 0
    assert agent.engine.agent.policy.seen == []
    assert agent.search("The kettle is in the cellar.", 1)[0].score == pytest.approx(1.0, abs=1e-3)


def test_a_filter_holds_inside_the_search(agent):
    told(agent)
    assert [one.text for one in agent.search("kettle", 3, where={"kind": "pet"})] == ["Ben's cat is called Tiger."]
    assert [one.text for one in agent.all(where={"trust": {"$lt": 0.5}})] == ["The kettle is in the cellar."]
    assert [one.text for one in agent.all(where={"floor": {"$gte": -1}})] == ["The kettle is in the cellar."]
    assert [one.details.source for one in agent.all(where={"source": "Ana"})] == ["Ana"]
    assert len(agent.all(where={"kind": {"$in": ["pet", "place"]}})) == 2
    assert len(agent.all(where={"kind": {"$ne": "pet"}, "time": {"$lt": NOON}})) == 1
    with pytest.raises(InputError, match=r"'\$like' is no such operator; take one of"):
        agent.search("kettle", where={"kind": {"$like": "p"}})


@pytest.mark.parametrize(("query", "k"), [(" ", 3), ("x", 0), ("x", 1.5), (None, 1)])
def test_a_search_is_checked(query, k):
    with pytest.raises(InputError, match=r"search\("):
        agent_of().search(query, k)


def test_an_update_takes_the_place_and_the_old_id_still_finds_it(agent):
    told(agent)
    seen = agent.update("a1", "My phone number is 555-0200.")
    assert seen.kept and agent.get("a1").text == agent.get(seen.ids[0]).text == "My phone number is 555-0200."
    assert agent.get("a1").details.source == "Ana" and agent.get("a1").details.metadata == {"kind": "contact"}
    agent.delete("a1")
    assert agent.get("a1") is None
    assert [(one.event, one.before, one.after) for one in agent.history("a1")] == [
        ("ADD", None, "My phone number is 555-0199."),
        ("UPDATE", "My phone number is 555-0199.", "My phone number is 555-0200."),
        ("DELETE", "My phone number is 555-0200.", None),
    ]
    assert agent.update("a2", " ").refused and agent.get("a2").text == "The kettle is in the cellar."
    for call in (lambda: agent.update("a1", "x"), lambda: agent.delete("a99"), lambda: agent.delete(None)):
        with pytest.raises(InputError, match="there is no item of that id"):
            call()


def test_what_is_to_be_forgotten_is_found_shown_and_forgotten(agent):
    told(agent)
    would = agent.forget("my phone number", dry_run=True)
    assert would.dry_run and [one.text for one in would.gone] == ["My phone number is 555-0199."]
    assert len(agent.memory) == 3
    done = agent.forget("my phone number")
    assert [one.id for one in done.gone] == ["a1"] and len(agent.memory) == 2 and agent.get("a1") is None
    assert all(one.score < 0.5 for one in done.keeps)
    assert not agent.forget("a passport that nobody has") and len(agent.memory) == 2
    assert agent.forget("a3").gone[0].text == "Ben's cat is called Tiger."
    with pytest.raises(InputError, match="blank"):
        agent.forget("")


def test_users_are_apart(agent):
    ana, ben = agent.user("ana"), agent.user("ben")
    ana.observe("My secret is 77.")
    assert len(ben.memory) == len(agent.memory) == 0 and ben.search("secret") == []
    assert ben.ask("What is my secret?").used == () and agent.user("ana") is ana
    assert set(agent.users()) >= {"ana", "ben"}
    with pytest.raises(InputError, match="blank"):
        agent.user(" ")


def test_mem0s_verbs_answer_in_mem0s_shapes(agent):
    memory = agent.mem0
    [added] = memory.add("I love pears.", user_id="ana", metadata={"kind": "taste"})["results"]
    assert added["event"] == "ADD" and added["memory"] == "I love pears." and added["metadata"] == {"kind": "taste"}
    assert memory.add("I love pears.", user_id="ana")["results"][0]["event"] == "NONE"
    assert memory.add(" ", user_id="ana")["results"][0]["event"] == "NONE"
    told = memory.add(
        [{"role": "user", "content": "I have a dog."}, {"role": "assistant", "content": "Nice."}], user_id="ana"
    )
    assert [one["memory"] for one in told["results"]] == ["I have a dog."]
    [hit] = memory.search("pears", user_id="ana", limit=1)["results"]
    assert hit["id"] == added["id"] and 0 < hit["score"] <= 1
    assert memory.search("pears", filters={"user_id": "ben"})["results"] == []
    [changed] = memory.update(added["id"], "I love plums.", user_id="ana")["results"]
    assert changed["event"] == "UPDATE" and changed["previous_memory"] == "I love pears."
    assert memory.get(added["id"], user_id="ana")["memory"] == "I love plums."
    assert [one["event"] for one in memory.history(added["id"], user_id="ana")] == ["ADD", "UPDATE"]
    assert memory.delete(added["id"], user_id="ana")["results"][0]["event"] == "DELETE"
    assert memory.get(added["id"], user_id="ana") is None
    assert len(memory.delete_all(user_id="ana")["results"]) == 1
    assert memory.get_all(user_id="ana") == {"results": []} == memory.get_all()


@pytest.mark.parametrize("scope", [{"user_id": ""}, {"user_id": 3}, {"userid": "ana"}])
def test_a_scope_is_checked(scope):
    with pytest.raises(InputError, match="user"):
        agent_of().mem0.add("x", **scope)


def test_scopes_of_several_ids_are_apart():
    memory = agent_of(Reader()).mem0
    memory.add("one", user_id="ana", run_id="1")
    assert memory.get_all(user_id="ana", run_id="2")["results"] == memory.get_all(user_id="ana")["results"] == []
    assert len(memory.get_all(user_id="ana", run_id="1")["results"]) == 1


def test_metadata_never_passes_for_what_the_store_knows(agent):
    agent.observe("Rain is coming.", trust=0.2, metadata={"trust": 1, "source": "Ana", "writer": "user", "step": 77})
    assert agent.all(where={"trust": {"$gte": 0.5}}) == agent.all(where={"source": "Ana"}) == []
    assert agent.all(where={"step": 77}) == agent.all(where={"writer": "user"}) == []
    assert len(agent.search("rain", where={"trust": {"$lt": 0.5}})) == 1


@pytest.mark.parametrize(
    "where",
    [
        "x",
        5,
        {"kind": {"$in": "xcontactless"}},
        {"kind": {"$in": 5}},
        {"trust": {"$gte": "x"}},
        {"trust": {"$lt": None}},
    ],
)
def test_a_filter_that_can_hold_nowhere_is_one_line(agent, where):
    told(agent)
    for call in (agent.all, lambda where: agent.search("kettle", where=where)):
        with pytest.raises(InputError, match="where") as error:
            call(where=where)
        assert "\n" not in str(error.value)


def test_no_users_name_reads_like_a_scope_of_several_ids():
    memory = agent_of(Reader()).mem0
    memory.add("one", user_id="u/agent_id=v", run_id="r")
    memory.add("two", user_id="user_id=a/agent_id=b")
    assert memory.get_all(user_id="u", agent_id="v", run_id="r")["results"] == []
    assert memory.get_all(user_id="a", agent_id="b")["results"] == []
    assert [one["memory"] for one in memory.get_all(user_id="user_id=a/agent_id=b")["results"]] == ["two"]


@pytest.mark.parametrize("messages", [3, None, ["x"], b"x", [{"content": "no role"}]])
def test_what_is_no_message_is_one_line(messages):
    with pytest.raises(InputError, match=r"add\(messages\)"):
        agent_of().mem0.add(messages)


@pytest.mark.parametrize(
    ("verb", "given"),
    [
        ("search", {"query": "x", "threshold": "y"}),
        ("search", {"query": "x", "filters": 3}),
        ("get_all", {"limit": "x"}),
        ("get_all", {"limit": -1}),
        ("get_all", {"filters": ["x"]}),
        ("history", {"memory_id": None}),
    ],
)
def test_other_arguments_of_mem0s_verbs_are_checked(verb, given):
    with pytest.raises(InputError, match="it must be"):
        getattr(agent_of().mem0, verb)(**given)


def test_an_operator_in_the_place_of_a_field_is_refused(agent):
    with pytest.raises(InputError, match=r"where\['\$or'\]: there is no such operator here; name a field"):
        agent.all(where={"$or": []})


def test_a_reward_is_finite():
    agent = agent_of()
    agent.observe("x")
    answer = agent.ask("x?")
    for reward in (10**400, float("nan"), "1"):
        with pytest.raises(InputError, match=r"feedback\(reward\) = .*: it must be a finite number"):
            agent.feedback(answer, reward, "rated.jsonl")


def test_an_id_of_a_scope_says_whose_it_is():
    memory = agent_of(Reader()).mem0
    memory.add("Company rule: never share keys.")
    [zoe] = memory.add("Zoe's PIN is 1.", user_id="zoe")["results"]
    [bob] = memory.add("Bob's PIN is 2.", user_id="bob", agent_id="x")["results"]
    assert memory.get(zoe["id"])["memory"] == "Zoe's PIN is 1." and memory.get(zoe["id"], user_id="zoe")
    [changed] = memory.update(bob["id"], "Bob's PIN is 3.")["results"]
    assert [event["new_memory"] for event in memory.history(changed["id"])] == ["Bob's PIN is 2.", "Bob's PIN is 3."]
    with pytest.raises(InputError, match="it is not of the scope that is named beside it"):
        memory.delete(zoe["id"], user_id="bob")
    memory.delete(zoe["id"])
    assert not memory.get_all(user_id="zoe")["results"] and len(memory.get_all()["results"]) == 1


def test_mem0s_conditions_that_all_hold_are_one_filter_and_others_are_refused():
    memory = agent_of(Reader()).mem0
    memory.add("Zoe likes tea.", user_id="zoe", metadata={"topic": "tea"})
    every = {"AND": [{"user_id": "zoe"}, {"topic": "tea"}]}
    assert len(memory.search("tea", filters=every)["results"]) == 1
    with pytest.raises(InputError, match=r"filters\['OR'\]: conditions cannot be combined so"):
        memory.search("tea", filters={"OR": [{"user_id": "zoe"}]})
    called = {"role": "assistant", "content": None, "tool_calls": []}
    assert len(memory.add([{"role": "user", "content": "I swim."}, called])["results"]) == 1
