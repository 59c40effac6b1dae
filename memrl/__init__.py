"""memrl: agents that learn to manage their own memory. This docstring is the architecture page.

A policy (a causal language model) meets an environment one observation at a time and may look only at the current
observation and at a memory of fixed size. A controller decides what happens to that memory: keep it as it is, write,
overwrite, forget, link, relink, unlink, or retrieve something into view. Both are trained by reinforcement learning,
in one loop that fits on one page, on tasks that a curriculum draws and whose answers are computed, never guessed.

    import memrl
    agent = memrl.wrap("smollm2-135m")
    agent.observe("Ana put the lantern in the attic.")
    agent.ask("Where is the lantern?").text
    run = memrl.train(memrl.recipe("quickstart"))
    memrl.evaluate(run, horizon=480)

Floors (a module imports floors below it, or its own floor as listed in tests/test_architecture.py)

    0  memory_stores/   items, edges, eight ops; token store, graph, archive behind one apply(). No torch, no memrl.
    1  types.py         Task, Observation, Decision, Step, Episode, Group: what flows. No torch.
       protocols.py     Env, Policy, Controller, Reflector, Curriculum: five contracts on one page. No torch.
       proposing.py     what joins one who proposes tasks to the curriculum and to the learner
       config.py        every knob of a run, frozen; config_io.py reads and writes it. errors.py draws the tree.
    2  algos/           pure functions: advantages, losses, learnability.
    3  parts            one plural folder a contract, one file a part; no part imports another folder's part:
       envs/            memworld/ (the built-in world) and environments over real text
       policies/        hf.py (any transformers causal LM with LoRA), exact.py (reads without error), scripted.py
       controllers/     scorer.py (learned), the rules it must beat, the oracle; proposals.py (which ops are on offer)
       reflectors/      tracker.py (reads failures by the trackers), lm.py (the policy's own words)
       curricula/       written.py (writes its own tasks), the hand-made and published ones it is measured against
       proposers/       axes.py (a small network over theta), lm.py (the policy writes the task's JSON under its schema)
    4  verbs            rollout.py (play), credit.py (give credit, by an estimator of credits/), batch.py (decisions to
                        tensors), metrics.py, warmup.py, checkpoints.py (written whole or not at all), progress.py
                        reflect.py (failures to lessons: text_guard.py, proof.py by replay and siblings, rule_memory.py,
                        second_attempt.py, homework.py as shares of the loss); rereading.py (practised questions
                        that the policy learns to answer)
    5  learner.py       a batch to optimiser steps; run.py (the run folder); build.py (config to parts);
                        watch.py (alarms, and the way back from a step that did harm)
    6  train.py         THE PAGE: read it first; evaluate.py, agent.py (wrap), recipes.py, report.py, plots.py
    7  cli.py           what a user types; show.py, chat.py

Nouns

    MemoryOp       Keep | Write | Overwrite | Forget | Link | Relink | Unlink | Retrieve, whoever decides
    TokenDecision  an actor chose tokens;  OpDecision  an actor chose one of C offered ops
    Decision       the unit of learning; a step holds several, each by one actor
    Step           an observation, its decisions, the reward, what was in view
    Episode        the unit of accounting: how many rows it became does not change its weight in the loss
    Group          tries at one task, each starting from a fork of the same memory; advantages are relative to it

The story of one step (rollout.play_episode reads like it)

    observation -> controller: which Retrieve, if any?    only where the environment asks; its hits go into view
                -> policy answers                         it sees the token memory, the hits and the observation
                -> environment: reward, next observation
                -> controller: which writes?              until Keep or max_ops (making room is not counted);
                                                          no question's text reaches it

One step of training plays groups in which the policy reads (both actors learn) and practice groups in which an exact
reader stands in for it (the controller learns; the policy may reread the hardest questions), gives every
decision its credit, and makes one update whose loss is a sum of parts, each normalised by its own count. With
reflection on, failed episodes are studied before the update, and what replay has proven is learned in it; with the
curriculum ``written``, the tasks come from edits and proposals that passed eight gates, and whoever proposed them
learns in it too.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memrl.agent import Answer, MemoryAgent, wrap
    from memrl.config import TrainConfig
    from memrl.errors import InputError, MemrlError
    from memrl.evaluate import EvalReport, evaluate
    from memrl.recipes import RECIPES, recipe
    from memrl.train import train

_HOME = {
    "RECIPES": "recipes",
    "Answer": "agent",
    "EvalReport": "evaluate",
    "InputError": "errors",
    "MemoryAgent": "agent",
    "MemrlError": "errors",
    "TrainConfig": "config",
    "evaluate": "evaluate",
    "recipe": "recipes",
    "train": "train",
    "wrap": "agent",
}
"""Public name -> the module that defines it, imported when the name is first asked for."""

__all__ = [
    "RECIPES",
    "Answer",
    "EvalReport",
    "InputError",
    "MemoryAgent",
    "MemrlError",
    "TrainConfig",
    "evaluate",
    "recipe",
    "train",
    "wrap",
]


class _Package(ModuleType):
    """``memrl.train`` and ``memrl.evaluate`` are the functions, also after somebody imported the modules."""

    def __setattr__(self, name: str, value: Any) -> None:
        # The import system binds a submodule to its package under its own name, over the function.
        if name in _HOME and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
