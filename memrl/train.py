"""THE PAGE: policy, controller and curriculum trained together. Read this first."""

from __future__ import annotations

from pathlib import Path

from memrl.advantages.credit import give_credit
from memrl.contracts.config import TrainConfig
from memrl.reporting.metrics import summarise
from memrl.rollouts.scheduler import play
from memrl.training.batch import make_batch
from memrl.training.build import build
from memrl.training.rereading import reread
from memrl.training.run_folder import Run
from memrl.training.trained_on import TrainedOn
from memrl.training.warm_up import warm_up


def train(config: TrainConfig, resume: Path | None = None) -> Path:
    """Train to the last step; returns the run folder, which holds all that ``evaluate`` needs.

    With ``steps = 0`` that is what the warm start made.

    Each step plays two kinds of episode. Where the policy answers, both actors learn. Practice episodes are read
    by an exact reader instead and train the controller; the policy may reread the hardest of their questions.

    Raises:
        InputError: a knob, a model or a folder cannot be used; the message names it and the way out.
    """
    with Run.open(config, resume) as run:
        agent, practice, curriculum, learner, reflection, monitor = build(run.config, run.say)
        parts = {
            "policy": agent.policy, "controller": agent.controller, "texts": agent.table,
            "curriculum": curriculum, "learner": learner, "reflection": reflection, "monitor": monitor,
            "data": TrainedOn(agent.task_source), **agent.others,
        }  # fmt: skip
        if not run.restore(**parts):
            warm_up(agent, config, run)
            run.checkpoint(0, **parts)
        for step in run.steps():
            plays = config.policy_plays(step)
            tasks = curriculum.draw(config.rollout.tasks if plays else 0)
            groups = play(agent, tasks, [config.seed, step, 0])
            drills = curriculum.draw(config.rollout.practice_tasks)
            practised = play(practice, drills, [config.seed, step, 1], practice=True)
            lessons = reflection.study(groups, agent) + reflection.study(practised, practice)
            curriculum.observe(groups + practised, lessons)
            credits = give_credit(groups, config.credit, agent) + give_credit(practised, config.credit, practice)
            rereads = reread(practised, agent, config, [config.seed, step, 2]) if plays else []
            auxiliary_losses = [*reflection.auxiliary_losses(lessons), *curriculum.auxiliary_losses(), *rereads]
            update = learner.update(make_batch(credits, auxiliary_losses))
            told = {**summarise(groups + practised), **curriculum.metrics(), **reflection.metrics(), **update}
            run.log_tasks(curriculum.drain_log())
            run.log(step, told | monitor.look(step, told, parts, run.say))
            agent.table.trim(config.memory.texts)
            run.checkpoint(step, **parts)
    return run.folder
