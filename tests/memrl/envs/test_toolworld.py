"""toolworld: right by computation, solvable with memory, a guess without, and no call can harm a play."""

import re
from collections import Counter
from dataclasses import replace

import pytest

from memrl.contracts.errors import ConfigError
from memrl.contracts.types import Choose, End, Episode, Say, Step, ToolCall, Unreadable
from memrl.envs.toolworld import candidates as made
from memrl.envs.toolworld import names
from memrl.envs.toolworld.env import ToolWorldTasks
from memrl.envs.toolworld.measure import count_calls
from memrl.envs.toolworld.theta import ToolWorldOptions
from memrl.envs.toolworld.world import make_world
from memrl.testing import check_env

BASE = ToolWorldOptions()
HARD = ToolWorldOptions(stale=True, down=0.3)


def followed(source, task, acts):
    """Play a task; ``acts`` gives what to do for (observation, how many actions were taken)."""
    env = source.make(task)
    observation, seen, count, earned = env.start(), [], 0, 0.0
    while True:
        action = acts(observation, count) if observation.wants_action else None
        count += observation.wants_action
        outcome = env.step(action)
        seen.append((observation, outcome))
        earned += outcome.reward
        if outcome.next is None:
            return outcome, earned, seen
        observation = outcome.next


def walked(source, task, act=Say):
    way = source.walkthrough(task)
    return followed(source, task, lambda _, at: act(way[at]))


@pytest.mark.parametrize("options", [BASE, HARD, ToolWorldOptions(steps=100, jobs=10), replace(HARD, tries=2)])
def test_promises_hold_and_walkthroughs_solve(options):
    source = ToolWorldTasks(options)
    check_env(source)
    for task in (source.train(source.cells()[0], 3), source.held_out(4)):
        outcome, _, seen = walked(source, task)
        assert outcome.success == 1.0
        asked = [observation for observation, _ in seen if observation.wants_action]
        assert len(asked) == len(source.walkthrough(task)) >= task.theta.steps
        assert all(not one.writable and one.choices for one in asked)


def test_results_are_those_of_the_tools_and_say_what_was_asked():
    source = ToolWorldTasks(BASE)
    task = source.held_out(0)
    world = make_world(task)
    _, earned, seen = walked(source, task)
    told = {observation.id: observation.text for observation, _ in seen if not observation.wants_action}
    goals = {f"r{goal.number}": goal for goal in world.goals if goal.kind != "report"}
    assert told.keys() == goals.keys()
    assert all(goals[id].truth.lower() in re.findall(r"\w+", text.lower()) for id, text in told.items())
    costs = [goal for goal in world.goals if goal.kind == "cost"]
    for goal in costs:
        units, rate = (
            next(g.truth for g in world.goals if (g.kind, g.about) == (k, goal.about)) for k in ("units", "rate")
        )
        assert (
            int(goal.truth) == int(units) * int(rate) and told[f"r{goal.number}"] == f"{goal.about} cost {goal.truth}"
        )
    counted = sum(goal.counts for goal in world.goals)
    assert counted == 9 and earned == pytest.approx(9 + 0.1 * (30 - 9))


@pytest.mark.parametrize("held_out", [False, True])
def test_what_is_needed_was_shown_long_before(held_out):
    source = ToolWorldTasks(BASE)
    worlds = [make_world(source.held_out(seed) if held_out else source.train("base", seed)) for seed in range(100)]
    gaps = [goal.number - need for one in worlds for goal in one.goals for need in goal.needs
            if need == max(goal.needs)]  # fmt: skip
    assert sum(gap < 2 for gap in gaps) < 0.01 * len(gaps) and sum(gaps) / len(gaps) > 4


@pytest.mark.parametrize("one, other", [("train", "eval"), ("train", "valid"), ("valid", "eval")])
def test_no_two_splits_share_a_name_or_a_phrasing(one, other):
    for table in (names.THINGS, names.PLACES, names.PEOPLE, names.LETTERS):
        assert not set(table[one]) & set(table[other])
    for table in (names.ASKS, names.FACTS):
        said, told = ({text for texts in table[split].values() for text in texts} for split in (one, other))
        assert not said & told and table[one].keys() == table[other].keys()


def test_held_out_tasks_are_of_the_valid_split_where_that_is_asked():
    source = ToolWorldTasks(ToolWorldOptions(evaluated="valid"))
    held_out, trained = make_world(source.held_out(3)), make_world(source.train("base", 3))
    assert {thing.name for thing in held_out.things} < set(names.THINGS["valid"])
    assert {thing.name for thing in trained.things} < set(names.THINGS["train"])
    assert {thing.name for thing in make_world(ToolWorldTasks(BASE).held_out(3)).things} < set(names.THINGS["eval"])


def guess(pick):
    """Success of whoever picks from choices of the right shape by ``pick``, without memory."""
    source = ToolWorldTasks(BASE)
    hits = []
    for seed in range(60):
        task = source.train("base", seed)
        world = make_world(task)
        for goal in world.goals:
            if goal.counts:
                found = made.candidates(world, goal, False, task.seed)
                shape = re.sub(r"\w*\d\w*", "#", next(one.text for one in found if one.right))
                alike = [one for one in found if re.sub(r"\w*\d\w*", "#", one.text) == shape]
                assert len(alike) == made.SAME
                hits.append(pick([one.text for one in found], [one.text for one in alike]) == next(
                    i for i, one in enumerate(alike) if one.right))  # fmt: skip
    return sum(hits) / len(hits)


def commonest(texts, alike):
    counts = Counter(word for text in texts for word in re.findall(r"\w*\d\w*", text))
    weights = [sum(counts[word] for word in re.findall(r"\w*\d\w*", text)) for text in alike]
    return weights.index(max(weights))


def largest(_, alike):
    return max(range(len(alike)), key=lambda i: sum(map(int, re.findall(r"\d+", alike[i]))))


@pytest.mark.parametrize("pick", [commonest, largest, lambda _, alike: 0, lambda _, alike: len(alike) - 1])
def test_nobody_finds_the_right_call_by_looking_at_the_choices(pick):
    assert 0.18 < guess(pick) < 0.33


def test_evidence_is_the_right_results_alone():
    source = ToolWorldTasks(BASE)
    task = source.train("base", 1)
    world = make_world(task)
    goal = next(goal for goal in world.goals if goal.kind == "cost")
    needed = frozenset(f"r{number}" for number in goal.needs)
    assert len(needed) == 2 and source.blame(task, f"g{goal.number}", frozenset()) == needed
    assert source.blame(task, f"g{goal.number}", frozenset({*needed, "x1"})) == frozenset()
    one = next(iter(needed))
    assert source.blame(task, f"g{goal.number}.1", frozenset({f"{one}.2"})) == needed - {one}
    right = source.read(task, f"g{goal.number}", needed)
    assert right == source.walkthrough(task)[goal.number] != source.read(task, f"g{goal.number}", frozenset())
    assert source.blame(task, "g0", frozenset()) == frozenset()


FREE = ToolWorldOptions(choices=False)


def first(kind):
    """Source, task, and the number of the first sub-goal of a kind."""
    source = ToolWorldTasks(FREE)
    task = source.train("base", 0)
    return source, task, next(goal for goal in make_world(task).goals if goal.kind == kind)


@pytest.mark.parametrize(
    ("action", "mark", "text"),
    [
        (ToolCall("serch", (("query", "x"),)), "e", "Error: there is no tool 'serch'"),
        (ToolCall("search", (("words", "x"),)), "e", "Error: search: there is no argument 'words'"),
        (ToolCall("sql", (("query", 3),)), "e", "Error: sql: argument 'query' must be string"),
        (ToolCall("sql", (("query", "SELECT price FROM stock"),)), "e", "Error: sql: no such column: price"),
        (ToolCall("sql", (("query", "SELECT 1 FROM nowhere"),)), "e", "Error: sql: no such table: nowhere"),
        (ToolCall("python", (("code", "1 / 0"),)), "e", "Error: python: ZeroDivisionError: division by zero (line 1)"),
        (ToolCall("python", (("code", "open('/etc/passwd')"),)), "e", "Error: python: PermissionError"),
        (Unreadable("hm"), "e", "Error: that is no call of a tool and no answer"),
        (None, "e", "Error: that is no call of a tool and no answer"),
        (ToolCall("python", (("code", "12345"),)), "x", "12345"),
    ],
)
def test_a_call_that_fails_is_shown_and_the_episode_goes_on(action, mark, text):
    source, task, goal = first("units")
    way = source.walkthrough(task)

    def acts(observation, at):
        return action if observation.id == f"g{goal.number}" else _as_call(source, task, at, way)

    outcome, _, seen = followed(source, task, acts)
    shown = {observation.id: observation for observation, _ in seen}[f"{mark}{goal.number}"]
    assert shown.text.startswith(text) and "\n" not in shown.text and shown.writable and not shown.wants_action
    assert outcome.success == pytest.approx(8 / 9)
    episode = Episode(
        task=task,
        steps=tuple(Step(observation=observation, decisions=()) for observation, _ in seen),
        end=End.DONE,
    )
    counts = count_calls([episode])
    assert counts.made == 27 and counts.invalid == (mark == "e") and counts.right == 26
    assert counts.invalid_share == counts.invalid / 27


def _as_call(source, task, at, way):
    found = source._spelled(task).world.goals[at]
    action = source._spelled(task).right(found)
    assert way[at]
    return action


def test_free_calls_and_answers_are_taken_where_nothing_is_offered():
    source, task, _ = first("units")
    outcome, _, seen = followed(source, task, lambda _, at: _as_call(source, task, at, source.walkthrough(task)))
    assert outcome.success == 1.0 and not any(observation.choices for observation, _ in seen)
    told, _, seen = followed(source, task, lambda _, at: Say(f"It is {make_world(task).goals[at].truth}."))
    assert told.success == 1.0 and len(seen) == 30
    never, earned, _ = followed(source, task, lambda *_: Say("I do not know"))
    assert never.success == earned == 0.0
    assert {tool.name for tool in source.brief(task).tools} == {"search", "python", "sql"}


def test_a_tool_that_is_down_is_asked_again_and_one_that_is_stale_misleads():
    source = ToolWorldTasks(replace(HARD, down=0.9))
    task = source.train("base", 2)
    outcome, _, seen = walked(source, task)
    ids = [observation.id for observation, _ in seen]
    assert outcome.success == 1.0 and sum(id.startswith("d") for id in ids) > 15
    assert all(f"g{id[1:]}.1" in ids for id in ids if id.startswith("d"))
    goal = next(goal for goal in make_world(task).goals if goal.kind == "code")
    old = {observation.id: outcome for observation, outcome in followed(
        source, task, lambda seen, _: Say(f"archive(query='code of the {goal.about}')") if seen.text == goal.text
        else Say(seen.choices[0]))[2]}  # fmt: skip
    assert any(id.startswith(f"x{goal.number}") for id in old)
    assert "archive" in {tool.name for tool in source.brief(task).tools}


def test_a_second_try_is_a_knob():
    source = ToolWorldTasks(ToolWorldOptions(tries=2))
    task = source.train("base", 0)
    wrong = {}

    def acts(observation, _):
        found = source._spelled(task).choices(make_world(task).goals[int(observation.id[1:].split(".")[0])])
        right = "." in observation.id
        index = next(i for i, one in enumerate(found) if one.right is right)
        wrong[observation.id] = found[index].text
        return Choose(index, found[index].text)

    outcome, _, seen = followed(source, task, acts)
    assert outcome.success == 1.0 and sum(observation.wants_action for observation, _ in seen) == 60
    assert sum(result.verdict is not None for _, result in seen) == 9


def test_rewards_of_the_publications():
    task = ToolWorldTasks(BASE).train("base", 0)
    otc = ToolWorldTasks(ToolWorldOptions(reward="otc"))
    # All right, with as few calls as it takes: success 1 times sin(90 degrees), at the end.
    outcome, earned, _ = walked(otc, task)
    assert outcome.reward == earned == pytest.approx(1.0)
    toolrl = ToolWorldTasks(ToolWorldOptions(reward="toolrl"))
    assert walked(toolrl, task)[1] == pytest.approx(30.0)
    # Nothing that could be read: no form, and -3 of 3, by a quarter, thirty times.
    assert followed(toolrl, task, lambda *_: Unreadable("?"))[1] == pytest.approx(30 * -0.75)


def test_other_horizons_are_as_dense():
    source = ToolWorldTasks(BASE)
    for horizon in (30, 100, 300):
        options = replace(BASE, **source.at_horizon(horizon))
        goals = make_world(ToolWorldTasks(options).held_out(0)).goals
        assert len(goals) == horizon and sum(goal.counts for goal in goals) == 3 * horizon // 10


def test_cells_lead_from_easy_to_hard():
    assert ToolWorldTasks(BASE).cells() == ("one job", "base")
    assert ToolWorldTasks(HARD).cells() == ("one job", "sound tools", "base")
    assert ToolWorldTasks(replace(HARD, ladder=False)).cells() == ("base",)


@pytest.mark.parametrize(
    ("knobs", "line"),
    [
        ({"steps": 4}, "env.options.steps = 4: one job takes 5"),
        ({"jobs": 7}, "env.options.jobs = 7: 30 steps hold 6"),
        ({"delay": 10}, "env.options.delay = 10: three of them and 2 are more than 30 steps"),
        ({"jobs": 99, "steps": 900}, "env.options.jobs = 99"),
        ({"down": 1.0}, "env.options.down = 1.0"),
        ({"tries": 0}, "env.options.tries = 0"),
        ({"smooth": 0.0}, "env.options.smooth = 0.0"),
        ({"reward": "more"}, "env.options.reward = 'more'"),
    ],
)
def test_options_that_no_task_can_have(knobs, line):
    with pytest.raises(ConfigError) as caught:
        ToolWorldOptions(**knobs)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)
