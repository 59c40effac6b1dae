"""The curriculum that writes its own tasks: nothing rejected is drawn, shares hold, failures steer, state survives."""

import json
from collections import Counter
from pathlib import Path

import pytest
import torch

from memrl.contracts.capabilities import Bounds
from memrl.contracts.config import CurriculumConfig
from memrl.contracts.contexts import CurriculumContext
from memrl.contracts.errors import ConfigError, DataError
from memrl.contracts.generation import Proposal
from memrl.contracts.types import End, Episode, Group, Observation, Step, Task, Verdict
from memrl.curricula._buffer import Buffer, Entry
from memrl.curricula._draws import Draws
from memrl.curricula._skills import Skills
from memrl.curricula.recorded import Recorded, RecordedOptions
from memrl.curricula.written import Written, WrittenOptions, shares
from memrl.envs.memworld.coins import CoinFlips, is_coin
from memrl.envs.memworld.env import MemWorldTasks

THETA = {"horizon": 16, "objects": 2, "places": 6, "questions": 4, "delay": 2}


def words(text: str) -> int:
    return len(text.split())


def kit(seed: int = 0, task_source=None, budget: int = 64, task_generator: bool = True, proposer=None):
    task_source = task_source or MemWorldTasks(THETA)
    return CurriculumContext(
        draws=Draws(task_source, seed, 8),
        config=CurriculumConfig(name="written"),
        task_source=task_source,
        task_generator=task_source.task_generator(budget, words) if task_generator else None,
        proposer=proposer,
        budget=budget,
        cost=words,
        seed=seed,
        steps=10,
    )


def writes(proposed: float = 0.25, **knobs) -> Written:
    return Written(kit(**knobs), WrittenOptions(proposed=proposed))


def group(task: Task, *scores: float) -> Group:
    observation = Observation(id="o0", step=0, content="?", wants_action=True, writable=False)
    episodes = []
    for score in scores:
        verdict = Verdict(score=score, expected="x", category="c")
        step = Step(observation=observation, decisions=(), reward=score, verdict=verdict)
        episodes.append(Episode(task=task, steps=(step,), end=End.DONE, practice=True))
    return Group(task=task, episodes=tuple(episodes))


def play(curriculum, steps: int, count: int = 24) -> list[Task]:
    tasks: list[Task] = []
    for _ in range(steps):
        drawn = curriculum.draw(count)
        curriculum.observe([group(task, 1, 0, 1, 0) for task in drawn])
        tasks += drawn
    return tasks


class Penman:
    """Writes what it was given, in turn; remembers what it was told and paid."""

    learning_rate = 0.1

    def __init__(self, *candidates) -> None:
        self.candidates, self.told, self.paid = list(candidates), [], []

    def propose(self, count, failures):
        self.told.append(list(failures))
        return [Proposal(self.candidates[i % len(self.candidates)], i) for i in range(count)]

    def auxiliary_losses(self, judged):
        self.paid += [reward for _, reward in judged]
        return ()

    def parameters(self):
        return iter(())

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def test_shares_keep_a_fifth_fresh_whatever_a_proposer_takes():
    assert shares(0.0) == pytest.approx((0.475, 0.2375, 0.2375, 0.05, 0.0))
    for proposed in (0.25, 0.5, 1.0):
        found = shares(proposed)
        assert sum(found) == pytest.approx(1.0) and found[2] >= 0.2 and min(found) >= -1e-12


def test_nothing_that_was_turned_away_is_ever_drawn():
    curriculum = writes(task_source=MemWorldTasks({**THETA, "unanswerable_rate": 0.6}), budget=24)
    drawn = {json.dumps(curriculum.task_generator.to_json(task)) for task in play(curriculum, 4)}
    rows = curriculum.drain_log()
    turned = [row for row in rows if not row["accepted"]]
    assert turned and all(row["gate"] and row["reason"] and row["q"] is None for row in turned)
    assert not drawn & {json.dumps(row["task"]) for row in turned}
    assert sum(row["accepted"] for row in rows) == 4 * 24, "one row a visit"


def test_sources_hold_their_shares_once_there_is_something_to_replay():
    curriculum = writes()
    play(curriculum, 2)
    curriculum.drain_log()
    curriculum.metrics()
    play(curriculum, 12)
    rows = [row for row in curriculum.drain_log() if row["accepted"]]
    counts, told = Counter(row["source"] for row in rows), curriculum.metrics()
    assert counts["fresh"] / len(rows) >= 0.17, "a fifth, less chance"
    assert counts["replay"] / len(rows) == pytest.approx(0.475, abs=0.1)
    assert 0 < counts["anchor"] / len(rows) < 0.12
    assert told["variety"] == len({row["signature"] for row in rows} | set(curriculum._recent))
    assert told["curriculum/replay"] == counts["replay"] / len(rows) and told["reject/trackers"] == 0.0


def test_episodes_grow_only_as_fast_as_they_are_solved():
    curriculum = writes(task_source=MemWorldTasks({**THETA, "horizon": 96}))
    for _ in range(4):
        tasks = curriculum.draw(24)
        written = [task for task in tasks if task.cell == "written"]
        assert max(task.theta.horizon for task in written) <= 1.5 * curriculum._longest
        curriculum.observe([group(task, 0, 0) for task in tasks])
    assert curriculum._longest == min(task.theta.horizon for task in map(lambda one: one.task, curriculum._anchors))


def test_coin_flips_are_never_drawn():
    coins = CoinFlips(MemWorldTasks(THETA))
    curriculum = writes(task_source=coins)
    assert not any(map(is_coin, play(curriculum, 6)))
    gates = Counter(row["gate"] for row in curriculum.drain_log() if row["task"].get("coins"))
    assert gates["solvable"] > 0


def test_proposals_are_paid_by_what_they_were_worth():
    task_source = MemWorldTasks(THETA)
    good = [task_source.task(1000 + i) for i in range(40)]
    penman = Penman(*good)
    curriculum = writes(proposer=penman, proposed=0.5)
    tasks = curriculum.draw(24)
    mine = [drawn for drawn in curriculum._waiting if drawn.proposal]
    curriculum.observe([group(task, 1, 0, 1, 0) for task in tasks])
    curriculum.auxiliary_losses()
    expected = []
    for drawn in mine:
        q = (0.5 - drawn.bounds.floor) / (drawn.bounds.ceiling - drawn.bounds.floor)
        expected.append(4 * 4 / 3 * q * (1 - q) - drawn.penalty)
    assert mine and penman.paid == pytest.approx(expected)
    paid = [row["reward"] for row in curriculum.drain_log() if row["source"] == "proposed"]
    assert paid == pytest.approx(expected)


def test_an_invalid_proposal_costs_half_and_another_task_takes_its_place():
    penman = Penman({"events": "no list"})
    curriculum = writes(proposer=penman, proposed=0.5)
    tasks = curriculum.draw(24)
    curriculum.observe([group(task, 1, 0) for task in tasks])
    curriculum.auxiliary_losses()
    rows = [row for row in curriculum.drain_log() if row["source"] == "proposed"]
    assert len(tasks) == 24 and rows and {row["gate"] for row in rows} == {"schema"}
    assert penman.paid == [-0.5] * len(rows) == [row["reward"] for row in rows]


def test_proposers_hear_which_skills_fail_most():
    skills = Skills()
    skills.visit("hard", 0.0)
    skills.visit("hard", 0.0)
    skills.visit("so-so", 0.5)
    skills.visit("easy", 1.0)
    assert skills.worst(9) == ["hard", "so-so"]
    assert skills.failing("hard") == 1.0 and skills.failing("easy") == 0.0 == skills.failing("never seen")
    skills.visit("hard", 1.0)
    assert skills.worst(9) == ["so-so"], "one success without a failure repairs"


def test_learning_progress_is_the_distance_of_two_averages():
    skills = Skills()
    skills.visit("a", 0.0)
    skills.visit("a", 1.0)
    assert skills.progress("a") == pytest.approx(0.5 - 0.1)
    assert skills.progress("b") == 0.0


def test_the_buffer_keeps_few_of_one_signature_and_the_most_learnable():
    buffer, task_source = Buffer(size=100, alike=0.02), MemWorldTasks(THETA)
    for i, worth in enumerate((0.1, 0.2, 0.05, 0.15)):
        buffer.visit(Entry(task_source.task(i), "same", Bounds(1.0, 0.0), worth, i))
    assert [entry.learnability for entry in buffer.entries] == [0.2, 0.15]


def test_a_curriculum_taken_up_again_draws_what_it_would_have_drawn(tmp_path: Path):
    first = writes()
    play(first, 3)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second = writes(seed=7)
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    first.drain_log()
    assert play(first, 2) == play(second, 2)
    assert first.drain_log() == second.drain_log()


def test_without_a_workshop_it_names_the_way_out():
    with pytest.raises(ConfigError, match="has no task generator"):
        writes(task_generator=False)


def recorded(tmp_path: Path) -> tuple[Path, list[Task]]:
    curriculum = writes()
    tasks = play(curriculum, 3)
    path = tmp_path / "tasks.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in curriculum.drain_log()))
    return path, tasks


def test_the_yoked_control_replays_another_runs_tasks_in_order(tmp_path: Path):
    path, tasks = recorded(tmp_path)
    yoked = Recorded(kit(), RecordedOptions(tasks_file=str(path)))
    assert yoked.draw(24) + yoked.draw(24) == tasks[:48]
    again = Recorded(kit(), RecordedOptions(tasks_file=str(path)))
    again.load_state_dict(yoked.state_dict())
    assert again.draw(24) == tasks[48:]
    with pytest.raises(ConfigError, match="72 played tasks, too few"):
        again.draw(1)


def test_the_shuffled_control_has_the_same_tasks_in_another_order(tmp_path: Path):
    path, tasks = recorded(tmp_path)
    drawn = Recorded(kit(), RecordedOptions(tasks_file=str(path)), shuffled=True).draw(72)
    assert drawn != tasks and Counter(drawn) == Counter(tasks)


def test_a_file_that_is_no_log_of_tasks_is_refused(tmp_path: Path):
    (tmp_path / "x").write_text("{}\n")
    with pytest.raises(DataError, match="no log of tasks"):
        Recorded(kit(), RecordedOptions(tasks_file=str(tmp_path / "x")))
    with pytest.raises(DataError, match="cannot be read"):
        Recorded(kit(), RecordedOptions(tasks_file=str(tmp_path / "none")))
    with pytest.raises(ConfigError, match=r"needs the tasks\.jsonl"):
        Recorded(kit(), RecordedOptions())
