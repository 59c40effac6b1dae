"""What a run was trained on, told by its texts: a data file that changed meanwhile is seen, and what training has seen
is not asked as if it were new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from memrl.contracts.capabilities import Fingerprinted, able
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import TaskSource

KNOB = "env.options.data"


class TrainedOn:
    """A part of every checkpoint.

    Args:
        source: one that does not tell is not looked at.

    Raises:
        ConfigError: something stands in both of its splits.
    """

    optional = True
    """Checkpoints of before have none."""

    def __init__(self, source: TaskSource) -> None:
        told = able(source, Fingerprinted)
        self._train = list(told.fingerprints("train")) if told is not None else []
        check_unseen(source, self.state_dict())

    def state_dict(self) -> dict[str, Any]:
        return {"train": self._train}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises ConfigError where these are not what the run was trained on."""
        if state["train"] != self._train:
            gone = len(set(state["train"]) - set(self._train))
            new = len(set(self._train) - set(state["train"]))
            way_out = (
                f"its training split is no longer what this run began with ({gone} gone, {new} new, or in another "
                "order); give the old data back, or begin a run of its own"
            )
            raise ConfigError(KNOB, "changed", way_out)


def check_unseen(source: TaskSource, trained: Mapping[str, Sequence[str]]) -> None:
    """Look at what is held out.

    Args:
        trained: state of ``TrainedOn``; empty for a run that has none.

    Raises:
        ConfigError: some of it was trained on.
    """
    told, seen = able(source, Fingerprinted), frozenset(map(_shown, trained.get("train", ())))
    if told is None or not seen:
        return
    held_out = told.fingerprints("eval")
    if known := sum(_shown(one) in seen for one in held_out):
        way_out = (
            f"{known} of the {len(held_out)} that are held out were trained on, to the letter; hold out others "
            "(env.options.held_out), or give data without them"
        )
        raise ConfigError(KNOB, "seen", way_out)


def _shown(fingerprint: str) -> str:
    """What stands for all that a record shows."""
    return fingerprint.partition(".")[0]
