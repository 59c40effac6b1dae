"""Episodes out of memrl and back: JSON lines, and rows for ``datasets``.

One line an episode. All comes back as it was, but for the rows of an offer: they number the texts of a process that has
ended, and a controller that was given them elsewhere would look at other texts. Every object is
``{"is": its class, field: value, ...}``; an array carries its dtype and shape.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from memory_stores.codec import op_from_dict, op_to_dict
from memory_stores.files import written_whole
from memory_stores.types import MEMORY_OPS
from memrl.contracts import calls, types
from memrl.contracts.errors import DataError
from memrl.contracts.offer_sets import OfferSet

FORMAT = "memrl_trajectories/1"
_CLASSES: Mapping[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        types.Task, types.Text, types.Blob, types.Observation, types.Say, types.Think, types.ToolCall, types.Choose,
        types.MemoryOps, types.Unreadable, types.ViewLine, types.TokenDecision, types.OpDecision, types.Verdict,
        types.Step, types.Episode, calls.Calls, calls.Head,
    )
}  # fmt: skip


def to_jsonl(episodes: Iterable[types.Episode], path: str | Path, offers: bool = True) -> Path:
    """Write one line an episode, in the place of what is there; returns the path.

    Args:
        offers: False leaves out the numbers [C, F] of what was on offer, by far the largest part; the ops stay.

    Raises:
        DataError: the file cannot be written, or an episode holds what JSON cannot; what was there before stays.
    """
    path = Path(path)
    is_stream = path.exists() and not path.is_file()  # a pipe or a terminal has nothing to lose
    try:
        with path.open("w", encoding="utf-8") if is_stream else written_whole(path) as file:
            for episode in episodes:
                line = {"format": FORMAT, "episode": _out(episode, offers)}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
    except OSError as error:
        raise DataError(f"trajectories {path}: cannot be written ({error.strerror or error})") from error
    except (TypeError, ValueError) as error:
        raise DataError(f"trajectories {path}: an episode holds what JSON cannot ({error})") from error
    return path


def read_jsonl(path: str | Path) -> list[types.Episode]:
    """The episodes of a file that ``to_jsonl`` wrote. A task's ``theta`` comes back as a dictionary where it was a
    dataclass: which class it was, only its environment knows.

    Raises:
        DataError: the file is missing or holds something else; the message names the line.
    """
    path, found = Path(path), []
    try:
        lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"trajectories {path}: cannot be read ({reason}); name a file that to_jsonl wrote") from error
    if not lines:
        raise DataError(f"trajectories {path}: there is no episode in it; name a file that to_jsonl wrote")
    for number, line in enumerate(lines, 1):
        try:
            data = json.loads(line)
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r} is not {FORMAT}")
            found.append(_in(data["episode"]))
        except (ValueError, KeyError, TypeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise DataError(
                f"trajectories {path}, line {number}: no episode ({reason}); write the file again"
            ) from error
    return found


def token_rows(
    episodes: Sequence[types.Episode], advantages: Sequence[Sequence[float]] | None = None
) -> Iterator[dict[str, Any]]:
    """One row a decision in tokens, whoever took it.

    Args:
        advantages: of each episode, one number for every decision of ``episode.decisions``, in that order.

    Raises:
        ValueError: there are not as many lists as episodes, or numbers as decisions.
    """
    if advantages is not None and len(advantages) != len(episodes):
        raise ValueError(f"advantages: {len(advantages)} lists for {len(episodes)} episodes")
    for number, episode in enumerate(episodes):
        own = advantages[number] if advantages is not None else None
        if own is not None and len(own) != sum(1 for _ in episode.decisions):
            raise ValueError(
                f"advantages of episode {number}: {len(own)} for {sum(1 for _ in episode.decisions)} decisions"
            )
        place = -1
        for step in episode.steps:
            for decision in step.decisions:
                place += 1
                if not isinstance(decision, types.TokenDecision):
                    continue
                row = {
                    "episode": number, "step": step.observation.step, "actor": decision.actor,
                    "prompt_ids": list(decision.prompt_ids), "action_ids": list(decision.action_ids),
                    "logprobs": list(decision.logprobs), "reward": float(step.reward),
                    "success": float(episode.success),
                }  # fmt: skip
                yield row if own is None else row | {"advantage": float(own[place])}


def to_dataset(episodes: Sequence[types.Episode], advantages: Sequence[Sequence[float]] | None = None) -> Any:
    """``token_rows`` as a ``datasets.Dataset``; columns as there."""
    from datasets import Dataset

    return Dataset.from_list(list(token_rows(episodes, advantages)))


def _out(value: Any, offers: bool) -> Any:
    """A value as JSON-ready data."""
    if isinstance(value, MEMORY_OPS):
        return {"is": "op", **op_to_dict(value)}
    if isinstance(value, OfferSet):
        arrays = {"numbers": _array(value.numbers)} if offers else {}
        return {"is": "OfferSet", "ops": [_out(op, offers) for op in value.ops], **arrays}
    if isinstance(value, types.End):
        return {"is": "End", "value": value.value}
    if isinstance(value, bytes):
        return {"is": "bytes", "base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value) and not isinstance(value, type):
        name = {"is": type(value).__name__} if _CLASSES.get(type(value).__name__) is type(value) else {}
        return name | {knob.name: _out(getattr(value, knob.name), offers) for knob in fields(value)}
    if isinstance(value, Mapping):
        if all(isinstance(name, str) and name != "is" for name in value):
            return {name: _out(inner, offers) for name, inner in value.items()}
        return {"is": "map", "of": [[_out(name, offers), _out(inner, offers)] for name, inner in value.items()]}
    if isinstance(value, tuple):
        return {"is": "tuple", "of": [_out(inner, offers) for inner in value]}
    return [_out(inner, offers) for inner in value] if isinstance(value, list) else value


def _array(value: Any) -> dict[str, Any]:
    value = np.asarray(value)
    return {"is": "array", "dtype": str(value.dtype), "shape": list(value.shape), "of": value.ravel().tolist()}


def _in(value: Any) -> Any:
    """What ``_out`` was given."""
    if isinstance(value, list):
        return [_in(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("is")
    match kind:
        case "op":
            return op_from_dict({name: inner for name, inner in value.items() if name != "is"})
        case "tuple":
            return tuple(_in(inner) for inner in value["of"])
        case "map":
            return {_in(name): _in(inner) for name, inner in value["of"]}
        case "End":
            return types.End(value["value"])
        case "bytes":
            return base64.b64decode(value["base64"])
        case "array":
            return np.array(value["of"], dtype=value["dtype"]).reshape(value["shape"])
        case "OfferSet":
            return _offers(value)
    knobs = {name: _in(inner) for name, inner in value.items() if name != "is"}
    return _CLASSES[str(kind)](**knobs) if kind in _CLASSES else {name: _in(inner) for name, inner in value.items()}


def _offers(value: Mapping[str, Any]) -> OfferSet:
    """Arrays that were left out come back with no columns; rows always were, or mean nothing any more."""
    ops = tuple(_in(op) for op in value["ops"])
    rows = np.zeros((len(ops), 0), dtype=np.int32)
    numbers = _in(value["numbers"]) if "numbers" in value else np.zeros((len(ops), 0), dtype=np.float32)
    return OfferSet(ops=ops, rows=rows, numbers=numbers)
