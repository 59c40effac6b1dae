"""Self-Refine (arXiv:2303.17651) of each action, at the run's read budget: a draft, what is wrong with it, the action.

One round, as the action comes after every feedback; the window is that of ``react``, without the turns, which hold for
one action only.
"""

from __future__ import annotations

from dataclasses import replace

from memrl.contracts.registry import register
from memrl.contracts.rows import RowContext
from memrl.policies.in_turns import Turn
from memrl.rollouts.rows.one_try import OneTry
from memrl.rollouts.rows.react import TurnOptions, in_turns

DRAFT = Turn("Draft", "First draft what you would do.")
FEEDBACK = Turn("Feedback", "Say in one line what is wrong with the draft, or that it is right.")


def _make(context: RowContext, options: TurnOptions) -> OneTry:
    agent = in_turns(context, [DRAFT, FEEDBACK], options.turn_tokens)
    return OneTry(replace(agent, rollout=replace(agent.rollout, keep_thoughts=False)), context.greedy)


register("row", "self_refine", _make, TurnOptions)
