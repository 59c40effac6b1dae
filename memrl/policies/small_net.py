"""What very small policies share: one network, a copy of it as RL found it, and the state of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

Net = TypeVar("Net", bound=nn.Module)


class SmallNet(Generic[Net]):
    """The part of a ``TrainablePolicy`` that does not depend on how it reads.

    Args:
        net: its weights.
    """

    def __init__(self, net: Net) -> None:
        self.net = net.eval()
        self._first = deepcopy(net)
        self.version = 0

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.net.parameters()

    def freeze_reference(self) -> None:
        """Keep the weights as they are: RL starts here."""
        self._first = deepcopy(self.net)

    @contextmanager
    def reference(self) -> Iterator[None]:
        """The weights that ``freeze_reference`` kept, else those it was made with."""
        now, self.net = self.net, self._first
        try:
            yield
        finally:
            self.net = now

    @contextmanager
    def taught(self) -> Iterator[None]:
        """The network in training mode, for what it does otherwise while it is taught; never in play or RL."""
        self.net.train()
        try:
            yield
        finally:
            self.net.eval()

    def bump(self) -> None:
        self.version += 1

    def state_dict(self) -> dict[str, Any]:
        """Both sets of weights, the present ones and those of ``reference``."""
        return {"net": _copied(self.net), "reference": _copied(self._first), "version": self.version}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self._first.load_state_dict(state["reference"])
        self.version = int(state["version"])


def _copied(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}
