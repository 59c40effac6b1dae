"""Named points of theta."""

from __future__ import annotations

from memrl.envs.memworld.theta import Theta


def keep_four() -> Theta:
    """The main benchmark: the newest place of four things, among distractors that name the same things and places."""
    return Theta()


def path_world() -> Theta:
    """Two-hop questions over eight facts: four sentences do not hold them, eight short edges may."""
    return Theta(
        objects=0, carried=4, people=4, hops=2, questions=10, delay=4,
        update_rate=0.4, contradict_rate=0.04, wait_rate=0.3, ask_latest=0.0, ask_path=1.0,
    )  # fmt: skip


def three_things() -> Theta:
    """A short text on three things that are moved about, nothing else in it, and four questions: 28 steps."""
    return Theta(horizon=28, objects=3, questions=4, delay=3, distractor_level=0, contradict_rate=0.0)


def everything() -> Theta:
    """Every kind of event and of question in one world, but for plans (``errands``)."""
    return Theta(
        horizon=96, objects=4, carried=3, people=3, hops=3, link_kinds=2, questions=16, alias_rate=0.3,
        retract_rate=0.06, unanswerable_rate=0.15, wait_rate=0.1, days=6,
        ask_latest=3.0, ask_day=2.0, ask_path=2.0, ask_count=1.0,
    )  # fmt: skip


def errands() -> Theta:
    """Plans for three of four things, told early, revised, some cancelled; half of what is asked is to act on them."""
    return Theta(
        horizon=64, people=2, plans=3, questions=10, update_rate=0.2, retract_rate=0.04, unanswerable_rate=0.05,
        ask_latest=1.0, ask_act=1.0,
    )  # fmt: skip


def natural() -> Theta:
    """The default's events as people would tell them: seven styles in training, three others for evaluation.

    Half of the untrusted reports look like facts.
    """
    return Theta(
        train_styles=("plain", "chat", "first_person", "passive", "alias", "note", "quoted"),
        eval_styles=("pronoun", "two_facts", "question_tag"),
        disguise_rate=0.5,
    )
