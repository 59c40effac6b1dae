"""memrl: agents that learn to manage their own memory. This docstring is the architecture page.

A policy (a causal language model) meets an environment one observation at a time and may look only at the current
observation and at a memory of fixed size. A controller decides what happens to that memory: keep it as it is, write,
overwrite, forget, link, relink, unlink, or retrieve something into view. Both are trained by reinforcement learning,
in one loop that fits on one page, on tasks that a curriculum draws and whose answers are computed, never guessed.

    import memrl
    agent = memrl.wrap("smollm2-135m", memory="notes.db")
    agent.observe("Ana put the lantern in the attic.")
    agent.ask("Where is the lantern?").text
    run = memrl.train(memrl.recipe("quickstart"))
    memrl.evaluate(run, horizon=480)

Floors (a module imports floors below it, or its own floor as listed in tests/test_architecture.py)

    0  memory_stores/   items, edges, eight ops; token store, graph, archive behind one apply(); durable/ the same in a
                       SQLite file. No torch, no memrl.
    1  contracts/       types (what flows), protocols (what a part must do), config, errors; registry (parts by name:
                        ours and anybody's), contexts (what a part is made from). No torch.
    2  algos/           pure functions: advantages, losses, learnability.
       tools/           what a policy may call: functions, code and SQL in a sandbox, search, MCP servers. No torch.
    3  parts            one plural folder a contract, one file a part, which registers itself in its last line; no part
                        imports another folder's part:
       envs/            worlds, and environments over real text
       policies/        hf.py (any transformers causal LM with LoRA; rendering.py speaks to it, hf_sampler.py samples),
                        oracle_reader.py and exact.py (read without error), pointer.py and chooser.py (small ones for
                        games), scripted.py
       controllers/     scorer.py (learned), worth.py (learned: who leaves), overwrite.py, state.py, ops.py, hybrid.py
                        (a language model writes), the rules, the oracle; offers.py, entry_offers.py (reading entry by
                        entry) and worth_offers.py say which ops are on offer; shipped/ holds a trained one
       reflectors/      tracker.py (reads failures by the trackers), lm.py (the policy's own words)
       curricula/       written.py (writes its own tasks), the hand-made and published ones it is measured against
       proposers/       axes.py (a small network over theta), lm.py (the policy writes the task's JSON under its schema)
    4  rollouts/        play.py (the story of a step), later.py (answers that may wait), scheduler.py (the one
                       ``play``), replay.py, guards.py; rows/ plays the same tasks in other ways, to compare with
       advantages/      credit.py (credit for every decision), by one estimator a file
       reflection/      study.py (failures to lessons): text guard, proof by replay and siblings, rules,
                        second attempts, auxiliary losses
    5  training/        batch.py (decisions to tensors), learner.py, run_folder.py, build.py (config to parts),
                        rereading.py, warm_up.py (demonstrations.py, ideal_memories.py, imitation.py),
                        collapse_monitor.py, trained_on.py
       reporting/       metrics, tables, plots; pages/ tells what a memory did, as one page for a browser
    6  train.py         THE PAGE: read it first; evaluate.py, inspection.py, agent/ (wrap: any model with a memory),
                       recipes/ (runs by name), testing.py (contract kits)
    7  serve/           doors for programs: HTTP, MCP, LangGraph, the memory tool;  cli/ what a user types

Nouns

    MemoryOp       Keep | Write | Overwrite | Forget | Link | Relink | Unlink | Retrieve, whoever decides
    TokenDecision  an actor chose tokens;  OpDecision  an actor chose one of C offered ops
    Decision       the unit of learning; a step holds several, each by one actor
    Step           an observation, its decisions, the reward, what was in view
    Episode        the unit of accounting: how many rows it became does not change its weight in the loss, unless
                   siblings are of unlike length, as where an agent chooses when to stop
    Group          tries at one task, each starting from a fork of the same memory; advantages are relative to it

The story of one step (rollouts/play.py reads like it)

    observation -> controller: which Retrieve, if any?    only where an action is wanted; one after the other, at most
                                                          max_reads; hits go into view
                -> policy acts                            it sees the token memory, the hits and the observation
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
    from memrl.contracts.config import TrainConfig
    from memrl.contracts.errors import InputError, MemrlError
    from memrl.contracts.registry import register
    from memrl.evaluate import EvalReport, collect, evaluate
    from memrl.recipes import RECIPES, recipe
    from memrl.reporting.trajectories import read_jsonl, to_dataset, to_jsonl
    from memrl.train import train

_HOME = {
    "RECIPES": "recipes",
    "Answer": "agent",
    "EvalReport": "evaluate",
    "InputError": "contracts.errors",
    "MemoryAgent": "agent",
    "MemrlError": "contracts.errors",
    "TrainConfig": "contracts.config",
    "collect": "evaluate",
    "evaluate": "evaluate",
    "read_jsonl": "reporting.trajectories",
    "recipe": "recipes",
    "register": "contracts.registry",
    "to_dataset": "reporting.trajectories",
    "to_jsonl": "reporting.trajectories",
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
    "collect",
    "evaluate",
    "read_jsonl",
    "recipe",
    "register",
    "to_dataset",
    "to_jsonl",
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
