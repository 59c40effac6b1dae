"""Alarms ring once, and weights that made the held-out score fall go back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from memrl.contracts.config import MonitorConfig
from memrl.contracts.errors import ConfigError, TrainingError
from memrl.recipes import recipe
from memrl.training.build import build
from memrl.training.collapse_monitor import CollapseMonitor, anchor_scores, anchor_tasks, has_fallen

SMALL = recipe(
    "tiny", rollout={"tasks": 0, "practice_tasks": 2}, policy={"trained": False}, warm_start={"steps": 0},
    monitor={"every": 1, "anchors": 4},
)  # fmt: skip


class Weights:
    """A part with one weight, one random number and one count."""

    def __init__(self, weight: float = 0.0) -> None:
        self.weight, self.rng, self.updates = torch.tensor([weight]), 0, 0

    def state_dict(self) -> dict[str, Any]:
        return {"weight": self.weight, "rng": self.rng, "updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.weight, self.rng, self.updates = state["weight"], state["rng"], state["updates"]


class Lines(list):
    def say(self, text: str) -> None:
        self.append(text)


def scripted(*looks: list[float], every: int = 1, **knobs: Any) -> CollapseMonitor:
    """A monitor whose anchors score as written, one list a look."""
    remaining = list(looks)
    return CollapseMonitor(MonitorConfig(every=every, **knobs), lambda: remaining.pop(0))


def test_has_fallen_counts_standard_errors_of_the_difference():
    best, now = [1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]
    assert has_fallen(now, best, 1.7) and not has_fallen(now, best, 1.8)
    assert not has_fallen(best, best, 0.0) and not has_fallen([1.0, 1.0], [0.5, 0.5], 0.0)
    assert has_fallen([0.4, 0.4], [0.5, 0.5], 2.0)


def test_a_fall_takes_the_weights_back_and_nothing_else():
    monitor, lines = scripted([0.5, 0.5], [0.9, 0.9], [0.1, 0.2], [0.8, 1.0]), Lines()
    controller, texts = Weights(), Weights()
    parts = {"controller": controller, "texts": texts}
    found = []
    for step in range(1, 5):
        found.append(monitor.look(step, {}, parts, lines.say))
        # In place, as an optimizer does.
        for part in parts.values():
            part.weight += 1.0
            part.rng, part.updates = step, step
    assert [look["rolled_back"] for look in found] == [0.0, 0.0, 1.0, 0.0]
    assert [look["rollbacks"] for look in found] == [0.0, 0.0, 1.0, 1.0]
    # The best was seen at step 2 with a weight of 1; two steps were learned after the return.
    assert controller.weight.item() == 3.0 and texts.weight.item() == 4.0
    assert controller.rng == controller.updates == 4
    assert len(lines) == 1 and "fell from 0.90 to 0.15" in lines[0]


def test_the_snapshot_survives_what_is_learned_after_a_return():
    monitor = scripted([0.9, 0.9], [0.1, 0.1], [0.2, 0.2])
    controller = Weights(7.0)
    for step in range(1, 4):
        monitor.look(step, {}, {"controller": controller}, print)
        assert controller.weight.item() == 7.0
        controller.weight += 1.0


def test_looks_come_every_so_many_steps():
    monitor = scripted([0.5, 0.5], every=3)
    looks = [monitor.look(step, {}, {}, print) for step in (1, 2, 3)]
    assert ["anchor_success" in look for look in looks] == [False, False, True]


def test_alarms_are_told_once_and_logged_at_every_step():
    monitor, lines = CollapseMonitor(MonitorConfig(), SMALL.rollout, None), Lines()  # pyright: ignore[reportArgumentType]
    calm = {"proposer/entropy": 0.5, "entropy": 0.4, "op_decisions": 9.0, "variety": 40.0, "reject/trackers": 0.0}
    loud = {"proposer/entropy": 0.1, "entropy": 0.001, "op_decisions": 9.0, "variety": 19.0, "reject/trackers": 1.0}
    names = {"alarm/proposer_entropy", "alarm/op_entropy", "alarm/variety", "alarm/verifiers"}
    assert monitor.look(1, calm, {}, lines.say) == dict.fromkeys(names, 0.0) and not lines
    for step in (2, 3):
        assert monitor.look(step, loud, {}, lines.say) == dict.fromkeys(names, 1.0)
    assert len(lines) == 4 and all(line.startswith("step 2: ") for line in lines)


def test_what_cannot_be_judged_rings_no_alarm():
    monitor = scripted(every=0)
    assert monitor.look(1, {"success": 0.5, "op_decisions": 0.0}, {}, print) == {}
    assert monitor.look(2, {"success": 0.5, "op_decisions": 9.0}, {}, print) == {}, "a controller that nobody trains"
    off = scripted(every=0, alarms=False)
    assert off.look(1, {"proposer/entropy": 0.0}, {}, print) == {}


def test_anchors_are_held_out_always_the_same_and_nearly_free():
    parts = build(SMALL)
    assert anchor_tasks(parts.agent, 3) == anchor_tasks(parts.practice, 3)
    assert {task.split for task in anchor_tasks(parts.agent, 3)} == {"eval"}
    scores = anchor_scores(parts.practice, 4)
    assert scores == anchor_scores(parts.practice, 4) and len(scores) == 4


def test_a_real_learner_goes_back_to_the_bit():
    agent, _, _, learner, *_ = build(SMALL)
    monitor = scripted([0.5, 0.5], [0.2, 0.2])
    parts: dict[str, Any] = {"policy": agent.policy, "controller": agent.controller, "learner": learner}
    monitor.look(1, {}, parts, print)
    before = {name: value.clone() for name, value in agent.controller.state_dict()["net"].items()}
    with torch.no_grad():
        for weight in agent.controller.parameters():  # pyright: ignore[reportAttributeAccessIssue]
            weight += 1.0
    assert monitor.look(2, {}, parts, print)["rolled_back"] == 1.0
    after = agent.controller.state_dict()["net"]
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_its_state_goes_through_a_checkpoint():
    one = scripted([0.9, 0.9])
    part = Weights(1.0)
    one.look(1, {"variety": 10.0, "proposer/entropy": 0.0}, {"controller": part}, print)
    two = scripted([0.1, 0.1])
    two.load_state_dict(one.state_dict())
    part.weight, lines = torch.tensor([5.0]), Lines()
    found = two.look(2, {"variety": 4.0, "proposer/entropy": 0.0}, {"controller": part}, lines.say)
    assert part.weight.item() == 1.0 and found["alarm/variety"] == 1.0
    assert not any("hardly varies" in line for line in lines)


@pytest.mark.parametrize(("knob", "value"), [("anchors", 1), ("every", -1)])
def test_a_watch_that_cannot_be_is_refused_in_one_line(knob: str, value: int):
    with pytest.raises(ConfigError, match=f"monitor.{knob} = "):
        recipe("tiny", monitor={knob: value})


def test_a_run_whose_every_episode_fails_stops_after_three_steps_in_a_row():
    monitor = CollapseMonitor(MonitorConfig(), list)
    wave, calm = {"env_errors": 4.0}, {"env_errors": 1.0, "success": 0.5}
    for metrics in (wave, wave, calm, wave, wave):
        monitor.look(1, metrics, {}, lambda text: None)
    again = CollapseMonitor(MonitorConfig(), list)
    again.load_state_dict(monitor.state_dict())
    for one in (monitor, again):
        with pytest.raises(TrainingError, match="every episode of 3 steps in a row ended with an error"):
            one.look(6, wave, {}, lambda text: None)
    older = {name: value for name, value in monitor.state_dict().items() if name != "failed"}
    again.load_state_dict(older)
    again.look(7, wave, {}, lambda text: None)
