"""TextWorld's games: kit, walkthroughs, splits, text, commands, cache; what cannot be played is refused by name."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

textworld = pytest.importorskip("textworld")
pytestmark = pytest.mark.filterwarnings("ignore:Game .* is not fully supported")

from toy import Taker, toy_agent  # noqa: E402

from memrl.contracts.errors import ConfigError, DataError, MissingExtra  # noqa: E402
from memrl.contracts.registry import find, make  # noqa: E402
from memrl.contracts.types import Choose, End, Say, Task, Unreadable  # noqa: E402
from memrl.envs.textworld.env import TextWorldTasks, numbers  # noqa: E402
from memrl.envs.textworld.episode import NEXT, TextWorldEnv  # noqa: E402
from memrl.envs.textworld.generate import SEEDS  # noqa: E402
from memrl.envs.textworld.interpreter import Interpreter  # noqa: E402
from memrl.envs.textworld.library import Library  # noqa: E402
from memrl.envs.textworld.reading import cleaned, pieces  # noqa: E402
from memrl.envs.textworld.theta import GameTheta, TextWorldOptions, ladder, spec  # noqa: E402
from memrl.envs.textworld.worker import WORKER, Worker  # noqa: E402
from memrl.policies.scripted import ScriptedPolicy  # noqa: E402
from memrl.rollouts.scheduler import play  # noqa: E402
from memrl.testing import check_env  # noqa: E402

Made = Callable[..., TextWorldTasks]
SMALL = {"ingredients": 1, "cut": False}


@pytest.fixture(scope="session")
def games(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that all tests share, other workers' too: each game is generated once."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "textworld"


@pytest.fixture
def tasks(games: Path) -> Made:
    def make(**options: Any) -> TextWorldTasks:
        small = {} if options.keys() & {"kind", "files"} else SMALL
        return TextWorldTasks(TextWorldOptions(**{**small, "cache": str(games), **options}))

    return make


def followed(source: TextWorldTasks, task: Task) -> tuple[float, Any, int]:
    """Rewards, the last outcome and the number of observations along the walkthrough."""
    way, env = list(source.walkthrough(task)), source.make(task)
    observation: Any = env.start()
    paid, shown, outcome = 0.0, 0, None
    while observation is not None:
        shown += 1
        outcome = env.step(Say(way.pop(0)) if observation.wants_action else None)
        paid += outcome.reward
        observation = outcome.next
    assert not way
    return paid, outcome, shown


def test_the_kit_passes(tasks: Made) -> None:
    check_env(tasks(piece_words=12))


@pytest.mark.parametrize("held_out", [False, True])
def test_a_walkthrough_wins(tasks: Made, held_out: bool) -> None:
    source = tasks(hide="^(look|inventory)")
    task = source.held_out(0) if held_out else source.train("base", 0)
    paid, outcome, _ = followed(source, task)
    assert outcome.success == 1.0 and not outcome.truncated and paid == pytest.approx(1.0)
    assert "inventory" not in source.walkthrough(task)  # the generator's own begins with it


@pytest.mark.slow
def test_a_walkthrough_of_a_coin_game_wins_by_free_text_too(tasks: Made) -> None:
    for admissible in (True, False):
        source = tasks(kind="coin", length=3, admissible=admissible)
        paid, outcome, shown = followed(source, source.train("base", 0))
        assert outcome.success == 1.0 and paid == 1.0 and shown == 3


@pytest.mark.slow
@pytest.mark.parametrize("options", [
    {"kind": "quest", "length": 4, "rooms": 3},
    {"ingredients": 5, "drop": True, "cut": True},
    {"ingredients": 2, "drop": True, "cook": False, "cut": True, "rounds": 3},
    {"ingredients": 4, "rooms": 12, "cut": True},
    {"kind": "coin", "length": 100},
    {"kind": "coin", "length": 33, "dead_ends": 2},
])  # fmt: skip
def test_walkthroughs_of_large_games_win(tasks: Made, options: dict[str, Any]) -> None:
    source = tasks(**options)
    for task in (source.train("base", 0), source.held_out(0)):
        paid, outcome, _ = followed(source, task)
        assert outcome.success == 1.0 and paid == pytest.approx(1.0)


def test_rounds_follow_one_another_and_are_paid_by_their_share(tasks: Made) -> None:
    source = tasks()
    task = source.train("base", 0)
    [path], way = source.games(task), source.walkthrough(task)
    env = TextWorldEnv([path, path], TextWorldOptions(**SMALL), steps=2 * len(way))
    env.start()
    outcomes = [env.step(Say(command)) for command in (*way, *way)]
    assert outcomes[-1].success == 1.0 and sum(one.reward for one in outcomes) == pytest.approx(1.0)
    told = [one.next.text.startswith(NEXT) for one in outcomes if one.next is not None]
    assert told.count(True) == 1 and told.index(True) == len(way) - 1
    env = TextWorldEnv([path, path], TextWorldOptions(**SMALL), steps=len(way) + 1)
    env.start()
    half = [env.step(Say(command)) for command in (*way, way[0])][-1]
    assert half.truncated and half.success == 0.5
    assert numbers(replace(task, theta=replace(task.theta, rounds=2))) == (0, 3)


def test_what_it_shows_and_offers_is_what_textworlds_own_player_shows(tasks: Made) -> None:
    source = tasks()
    [path] = source.games(source.train("base", 0))
    wanted = ("admissible_commands", "score", "max_score", "won", "lost", "description", "inventory")
    for seed in range(3):
        rng = random.Random(seed)
        theirs = textworld.start(str(path), textworld.EnvInfos(**dict.fromkeys(wanted, True)))
        state = theirs.reset()
        ours = Interpreter(path, True, ("description", "inventory"))
        shown = ours.start()
        assert ours.highest == state.max_score
        for _ in range(25):
            assert shown.text == state.feedback and shown.commands == tuple(state.admissible_commands)
            assert shown.also["inventory"] == state.inventory and shown.also["description"] == state.description
            assert (shown.score, shown.won, shown.over) == (state.score or 0, state.won, state.won or state.lost)
            if shown.over:
                break
            command = rng.choice(shown.commands)
            shown, state = ours.step(command), theirs.step(command)[0]
        ours.close()


def test_what_is_no_choice_moves_nothing_and_free_text_cannot_reach_the_interpreter(tasks: Made) -> None:
    source = tasks()
    env = source.make(source.train("base", 0))
    first = env.start()
    told = env.step(Unreadable("?!"))
    assert told.next is not None and "'?!' is no command here." in told.next.text and told.reward == 0.0
    assert told.next.choices == first.choices
    free = tasks(admissible=False)
    env = free.make(free.train("base", 0))
    assert env.start().choices == ()
    for said in ("quit", "take meal then restart", "tw-trace-actions", "save", "\0\x1b", ""):
        after = env.step(Say(said)).next
        assert after is not None and after.text.endswith("is no command here.")
    dance = env.step(Say("dance\nquit")).next
    assert dance is not None and "verb I recogni" in dance.text


def test_commands_that_are_hidden_are_no_choices_and_are_refused(tasks: Made) -> None:
    plain, fewer = tasks(), tasks(hide="^(examine (?!cookbook)|look)")
    task = plain.train("base", 0)
    all_, left = plain.make(task).start().choices, fewer.make(task).start().choices
    assert set(left) < set(all_) and "look" in set(all_) - set(left)
    after = fewer.make(task)
    after.start()
    refused = after.step(Choose(0, "look")).next
    assert refused is not None and "no command" in refused.text


def test_an_episode_is_cut_at_its_limit_and_a_lost_game_ends(tasks: Made) -> None:
    source = tasks(steps=3)
    cut = play(toy_agent(source, Taker(), ScriptedPolicy(["look"])), [source.train("base", 0)], [0], tries=1)
    assert cut[0].episodes[0].end is End.STEP_LIMIT and len(cut[0].episodes[0].steps) == 3
    assert cut[0].episodes[0].success == 0.0
    source = tasks()
    task = source.train("base", 0)
    way = list(source.walkthrough(task))
    heat = next(command for command in way if command.startswith("cook "))
    env = source.make(task)
    env.start()
    for command in way[: way.index(heat) + 1]:
        env.step(Say(command))
    lost = env.step(Say(heat))  # cooked twice is burned
    assert lost.next is None and not lost.truncated and lost.success is not None and 0.0 < lost.success < 1.0


def test_a_long_text_is_shown_in_pieces_and_the_last_wants_the_action(tasks: Made) -> None:
    source = tasks(piece_words=10)
    task = source.train("base", 0)
    env = source.make(task)
    observation: Any = env.start()
    way = list(source.walkthrough(task))
    texts: list[str] = []
    while observation is not None and "Directions:" not in "".join(texts):
        texts.append(observation.text)
        assert observation.writable and bool(observation.choices) == observation.wants_action
        observation = env.step(Say(way.pop(0)) if observation.wants_action else None).next
    recipe = next(text for text in texts if "Directions:" in text)
    assert recipe.startswith("Directions:") and len(recipe.split()) <= 10 and "Ingredients:" not in recipe


def test_the_plan_names_the_recipe_and_what_was_cooked_whoever_plays(tasks: Made) -> None:
    source = tasks(piece_words=10, hide="^(look|inventory)")
    task = source.train("base", 0)
    plan = source.plan(task, 64, len)
    way = source.walkthrough(task)
    [heat] = [command for command in way if command.startswith("cook ")]
    recipe = [name for name in plan if name.startswith("0 examine cookbook.")]
    assert recipe and set(plan) == {*recipe, f"0 {heat}.1"}
    env = source.make(task)
    shown: Any = env.start()
    detour = [*way[:1], "examine cookbook", *way[1:]] if way[0] != "examine cookbook" else ["drop nothing", *way]
    texts: dict[str, str] = {}
    while shown is not None:
        texts[shown.id] = shown.text
        shown = env.step(Say(detour.pop(0)) if shown.wants_action else None).next
    assert texts[recipe[0]].startswith("Ingredients:") and texts[f"0 {heat}.1"].startswith("You ")
    assert source.bounds(task, 64, len).ceiling == 1.0 > source.bounds(task, 64, len).floor


def test_text_is_cleaned_of_everything_but_text() -> None:
    printed = (
        "\n\n   ________ \n  |   \\$$$  \n\nFind it!\n\n-= Hall =-\nA   hall.\n\n"
        "Your score has just gone up by one point.\n\n>                                  -= Hall =-0/1"
    )
    assert cleaned(printed, "Find it!") == "Find it!\n-= Hall =-\nA hall."
    assert cleaned(printed, "Find it!", score_lines=True).endswith("A hall.\nYour score has just gone up by one point.")
    assert cleaned("You won.\n\nWould you like to RESTART, RESTORE?\n> ") == "You won."


@given(st.lists(st.lists(st.sampled_from(["a", "b.", "c!", "Head:", "d"]), min_size=1), min_size=1), st.integers(1, 9))
def test_pieces_lose_no_word(lines: list[list[str]], most: int) -> None:
    text = "\n".join(" ".join(line) for line in lines)
    found = pieces(text, most)
    assert " ".join(found).split() == text.split()
    longest = max(len(part.split()) for line in text.split("\n") for part in line.replace("! ", ". ").split(". "))
    assert all(len(piece.split()) <= max(most, longest) for piece in found)
    assert pieces(text, 0) == (text,)


@given(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(1, 7))
def test_splits_have_no_game_in_common(one: int, other: int, rounds: int) -> None:
    found = [
        numbers(Task(env="textworld", theta=GameTheta(foods=foods, rounds=rounds), seed=seed))
        for foods, seed in (("train", one), ("valid", other), ("test", other))
    ]
    assert all(0 <= number < SEEDS for line in found for number in line)
    assert len(set().union(*found)) == sum(len(set(line)) for line in found)


def test_the_held_out_foods_are_those_of_their_split(tasks: Made) -> None:
    assert tasks().held_out(3).theta.foods == "test" and tasks(evaluated="valid").held_out(3).theta.foods == "valid"
    assert spec(GameTheta(kind="coin", ingredients=2), 4) == spec(GameTheta(kind="coin", ingredients=5), 4)


@pytest.mark.parametrize(("theta", "cells"), [
    (GameTheta(ingredients=5, rooms=6, rounds=2), ["1 of recipe, 1 rooms", "3 of recipe, 1 rooms",
     "5 of recipe, 1 rooms", "5 of recipe, 6 rooms", "base"]),
    (GameTheta(ingredients=1), ["base"]),
    (GameTheta(kind="coin", length=8, dead_ends=1), ["2 long", "4 long", "base"]),
])  # fmt: skip
def test_cells_lead_from_easy_to_hard(theta: GameTheta, cells: list[str]) -> None:
    assert list(ladder(theta)) == cells and ladder(theta)["base"] == theta


def test_other_horizons_are_more_games_in_a_row_or_longer_ways(tasks: Made) -> None:
    source = tasks(ingredients=5, drop=True, cut=True)
    assert source.at_horizon(40) == {"rounds": 1} and source.at_horizon(120) == {"rounds": 3}
    assert tasks(kind="coin").at_horizon(60) == {"length": 60}


@pytest.mark.slow
def test_a_game_that_another_process_made_first_is_taken(tasks: Made, games: Path) -> None:
    source = tasks()
    [path] = source.games(source.train("base", 0))
    before = path.read_bytes()
    Library(games, 300.0)._make(spec(source.train("base", 0).theta, 0), path.parent)
    assert path.read_bytes() == before and not list(games.glob(".new-*"))


@pytest.mark.slow
def test_every_process_makes_the_same_game(tmp_path: Path) -> None:
    """Made first by one process and after another game by the other, whatever the hashes of ours are."""
    wanted, found = spec(GameTheta(ingredients=2), 0), []
    for name, before in (("a", ()), ("b", (spec(GameTheta(), 3),))):
        library = Library(tmp_path / name, 300.0)
        for other in before:
            library.game(other)
        path = library.game(wanted)
        found.append((path.parent.name, path.with_suffix(".json").read_bytes(), played_by_chance(path)))
        WORKER.stop()
    assert found[0] == found[1]


def played_by_chance(path: Path) -> list[str]:
    """Texts of a play."""
    rng, game = random.Random(0), Interpreter(path, True)
    shown = game.start()
    texts = [shown.text]
    while not shown.over and len(texts) < 30:
        shown = game.step(rng.choice(shown.commands))
        texts.append(shown.text)
    return texts


def test_a_generator_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    slow = Worker()
    assert slow.fault({"folder": str(tmp_path), **spec(GameTheta(), 0)}, 0.05).endswith("env.options.seconds = 0.05")
    assert slow._process is None and list(tmp_path.iterdir()) == []


def test_what_cannot_be_generated_is_told_with_its_axes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"kind = cooking, number = 0, .*rooms = 7.*Cooking games can only have"):
        Library(tmp_path, 300.0).game({**spec(GameTheta(), 0), "rooms": 7})
    assert list(tmp_path.iterdir()) == []


def test_a_given_game_is_played_and_one_that_does_not_load_is_refused(tasks: Made, tmp_path: Path) -> None:
    source = tasks()
    [path] = source.games(source.train("base", 0))
    given_one = tasks(files=str(path))
    assert given_one.cells() == ("files",)
    assert given_one.make(given_one.train("files", 5)).start() == source.make(source.train("base", 0)).start()
    broken = tmp_path / "broken.z8"
    broken.write_bytes(path.read_bytes()[:5000])
    silent = tmp_path / "silent.z8"
    silent.write_bytes(b"\x08" + bytes(200))
    said = "does not load: Fatal error: Story file read error"
    for file, told in ((broken, said), (silent, "it prints nothing"), (tmp_path / "no.z8", "there is no such file")):
        with pytest.raises(ConfigError, match=rf"env.options.files = .*{file.name}.*{told}"):
            tasks(files=str(file), admissible=False)
    with pytest.raises(ConfigError, match="nobody knows the admissible commands"):
        tasks(files=str(broken))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no game is in this folder"):
        tasks(files=str(tmp_path / "empty"))


@pytest.mark.slow
def test_a_json_alone_is_compiled_and_a_broken_one_refused(tasks: Made, tmp_path: Path) -> None:
    source = tasks(kind="coin", length=3)
    [path] = source.games(source.train("base", 0))
    for name in "abcd":
        (tmp_path / f"{name}.json").write_bytes(path.with_suffix(".json").read_bytes())
    source = tasks(files=str(tmp_path))
    played = {source.train("files", seed).theta.file for seed in range(9)}
    assert played == {"0", "1", "2"} and {source.held_out(seed).theta.file for seed in range(3)} == {"3"}
    assert followed(source, source.held_out(0))[1].success == 1.0
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"x.json.*it does not load"):
        tasks(files=str(tmp_path))


@pytest.mark.parametrize(("options", "named"), [
    ({"ingredients": 6}, "ingredients = 6"),
    ({"rooms": 7}, "rooms = 7: a cooking game has 1, 6, 9 or 12"),
    ({"kind": "coin", "ingredients": 5}, "= 5: games of kind 'coin' have no such axis, but length, dead_ends, kind"),
    ({"kind": "cooking", "dead_ends": 1}, "dead_ends = 1: games of kind 'cooking' have no such axis"),
    ({"files": "games/", "cook": False}, "cook = False: games in files have no such axis, but rounds"),
    ({"kind": "coin", "length": 200}, "length = 200"),
    ({"kind": "coin", "length": 60, "dead_ends": 1}, "dead_ends = 1: with length = 60 that makes 120 rooms"),
    ({"kind": "chess"}, "kind = 'chess'"),
    ({"hide": "("}, "hide = '\\(': it is no regular expression"),
    ({"foods": "test"}, "foods = 'test'"),
    ({"also_show": ("map",)}, "also_show"),
])  # fmt: skip
def test_bad_options_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        make("env", "textworld", options, "env.name")


def test_a_missing_extra_names_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    from memrl.contracts import registry

    find("env", "textworld", "env.name")
    monkeypatch.delitem(registry._PARTS, ("env", "textworld"))
    for module in ("memrl.envs.textworld", "memrl.envs.textworld.env"):
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "textworld", None)
    with pytest.raises(MissingExtra, match=r"pip install 'memrl\[textworld\]'"):
        find("env", "textworld", "env.name")
