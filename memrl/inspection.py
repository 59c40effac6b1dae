"""What a run does, as stories for ``reporting.pages``: it plays held-out tasks, and everything of them is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from memrl.contracts.checks import whole
from memrl.evaluate import COLLECTED, held_out_tasks
from memrl.reporting.pages.of_episode import stories
from memrl.reporting.pages.story import Story
from memrl.rollouts.scheduler import play
from memrl.training.build import build_agent
from memrl.training.policies import load_policies
from memrl.training.run_folder import load_run


def run_stories(
    run: Path | str,
    episodes: int = 2,
    tries: int = 4,
    seed: int = 0,
    checkpoint: Literal["last", "best"] = "last",
) -> list[Story]:
    """Play held-out tasks with a run's policy and controller, and tell the first try at each.

    Args:
        run: a run folder.
        episodes: how many tasks.
        tries: at each task, sampled as in training: the others are what credit compares with. 1 for the likeliest
            choices everywhere, and no credit.
        seed: of the tasks and of what is sampled.
        checkpoint: the run's newest weights, or the best.

    Raises:
        InputError: a number or a folder cannot be used.
    """
    for name, value, least in (("episodes", episodes, 1), ("tries", tries, 1), ("seed", seed, 0)):
        whole(name, value, least)
    config, parts = load_run(Path(run), checkpoint)
    agent = build_agent(config)
    load_policies(agent, parts)
    agent.controller.load_state_dict(parts["controller"])
    tasks = held_out_tasks(agent, config, seed, episodes)
    groups = play(agent, tasks, [seed, COLLECTED], tries=tries, greedy=tries == 1)
    return stories(groups, agent, config.credit)
