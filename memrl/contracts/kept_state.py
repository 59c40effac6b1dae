"""Whether what a part keeps can be read back: a checkpoint holds nothing whose loading would run code."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Checkpointed

KNOBS = {"policy": "policy.name", "controller": "controller.name", "curriculum": "curriculum.name"}
"""Parts of a run that a setting names; of others the part is named."""
_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_NUMBERS = "?bBhHiIlLqQefd"


def check_kept(parts: Mapping[str, Checkpointed]) -> None:
    """Look at every part's state before anything is trained. Raises ConfigError that names part and place."""
    for name, part in parts.items():
        if wrong := problem_of_state(part.state_dict()):
            knob = KNOBS.get(name, f"others.{name}.name" if ":" in name else name)
            raise ConfigError(knob, type(part).__qualname__, wrong)


def problem_of_state(state: Any) -> str | None:
    """What of a ``state_dict()`` no checkpoint gives back, as a sentence; None for a good one."""
    found = _unreadable(state, "state_dict()")
    if found is None:
        return None
    where, kind = found
    return (
        f"{where} is a {kind}, which no checkpoint gives back: "
        "keep numbers, texts, lists, tuples, dicts, sets, tensors and arrays of numbers"
    )


def _unreadable(value: Any, where: str) -> tuple[str, str] | None:
    """The first place of what cannot be read back, and its type."""
    if type(value) in _PLAIN:
        return None
    if type(value) is dict:
        held = [(key, f"the key {key!r:.40} of {where}") for key in value]
        held += [(one, f"{where}[{key!r:.40}]") for key, one in value.items()]
    elif type(value) in (list, tuple):
        held = [(one, f"{where}[{place}]") for place, one in enumerate(value)]
    elif _is_numbers(value) or _comes_back(value):
        return None
    else:
        return where, type(value).__qualname__
    return next((found for one, place in held if (found := _unreadable(one, place)) is not None), None)


def _is_numbers(value: Any) -> bool:
    """A tensor, or an array or number of numpy's, of a kind that ``safe_types`` lets in."""
    import torch

    if type(value) in (torch.Tensor, torch.nn.Parameter):
        return True
    return type(value) is np.ndarray and value.dtype.char in _NUMBERS


def _comes_back(value: Any) -> bool:
    """Anything else, tried out."""
    import torch

    packed = io.BytesIO()
    try:
        torch.save(value, packed)
        packed.seek(0)
        with torch.serialization.safe_globals(safe_types()):
            torch.load(packed, map_location="cpu", weights_only=True)
    except Exception:
        return False
    return True


def safe_types() -> list[Any]:
    """What a pickled numpy array or number names, an empty one ``bytes``: allowed on top of torch's own short list."""
    from numpy._core import multiarray

    kinds = [type(np.dtype(code)) for code in "?bBhHiIlLqQefd"]
    return [multiarray._reconstruct, multiarray.scalar, np.ndarray, np.dtype, bytes, *kinds]  # pyright: ignore[reportAttributeAccessIssue]
