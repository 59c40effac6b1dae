"""A run as a page: ``eval.json``, ``curve.png``, ``report.md``, and its table in the terminal."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from memory_stores.files import write_json
from memrl.contracts.config import PolicyConfig, TrainConfig
from memrl.contracts.errors import RunFolderError
from memrl.contracts.policy_models import loads_model
from memrl.reporting.plots import draw_curve
from memrl.training.run_folder import is_finished, load_config, read_metrics

Evaluation = Mapping[str, Any]
"""``EvalReport.to_json()``, as ``memrl eval --json`` prints it."""

_COLUMNS = ("controller", "success", "95 % interval", "q", "tokens/step", "ms/step", "peak context", "refused ops")


def finite(data: Any) -> Any:
    """The same data, with null for numbers that JSON cannot hold."""
    if isinstance(data, Mapping):
        return {name: finite(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def save_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write ``eval.json``: the run's own evaluation, which the report shows."""
    write_json(folder / "eval.json", finite(evaluation))


def read_evaluation(folder: Path) -> Evaluation | None:
    """What ``save_evaluation`` wrote; None if the run was not evaluated."""
    try:
        data = json.loads((folder / "eval.json").read_bytes())
        rows = data["rows"]
        if not all(isinstance(row["controller"], str) and isinstance(row["success"], int | float) for row in rows):
            raise ValueError("its rows are none")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise RunFolderError(
            f"{folder / 'eval.json'} cannot be read ({reason}); delete it and evaluate again"
        ) from error
    return data


def write_report(folder: str | Path) -> Path:
    """Write ``curve.png`` and ``report.md`` of a run from its files; returns the latter.

    Raises:
        RunFolderError: no run is there, or a file of it cannot be read.
    """
    folder = Path(folder)
    config, evaluation, metrics = load_config(folder), read_evaluation(folder), read_metrics(folder)
    draw_curve(metrics, evaluation, folder / "curve.png")
    done = f"{len(metrics)} of {config.steps} steps" + ("" if is_finished(folder) else ", not finished")
    parts = [f"# {config.recipe}, seed {config.seed}", f"{done}.", _knobs(config), "![curve](curve.png)", _CAPTION]
    if evaluation is not None:
        parts += [setting(evaluation), markdown_table(evaluation), left_out(evaluation)]
    path = folder / "report.md"
    path.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    return path


_CAPTION = (
    "Success of training episodes is on the tasks that the curriculum drew, sampled; practice episodes are read by an "
    "exact reader, so theirs says whether memory held what was needed. Dashed lines are the rows below: play of "
    "held-out tasks."
)


def markdown_table(evaluation: Evaluation) -> str:
    """The rows as a GitHub table."""
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]
    lines += ["| " + " | ".join(cells) + " |" for cells in _cells(evaluation)]
    return "\n".join(lines)


def terminal_table(evaluation: Evaluation) -> Table:
    """The rows for a terminal; those of the trained controller stand out."""
    table = Table(title=setting(evaluation), title_justify="left")
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name == "controller" else "right")
    for cells in _cells(evaluation):
        table.add_row(*cells, style="bold" if cells[0] == own(evaluation) else None)
    return table


def own(evaluation: Evaluation) -> str:
    """The row of the trained controller; results of before rows had names of their own say "scorer"."""
    return evaluation.get("own", "scorer")


def categories_table(evaluation: Evaluation) -> Table | None:
    """Score by kind of question; None where there is but one kind."""
    names = sorted({name for row in evaluation["rows"] for name in row.get("categories", {})})
    if len(names) < 2:
        return None
    table = Table("controller", *names, title="score by kind of question", title_justify="left")
    for row in evaluation["rows"]:
        table.add_row(row["controller"], *(_figure(row.get("categories", {}).get(name)) for name in names))
    return table


def _cells(evaluation: Evaluation) -> list[list[str]]:
    return [
        [
            row["controller"],
            _figure(row["success"]),
            " to ".join(_figure(end) for end in row["ci95"]),
            _figure(row["q"]),
            _figure(row["tokens_per_step"], 1),
            _figure(1000 * row["seconds_per_step"], 1),
            str(row["peak_context_tokens"]),
            str(row["refused_ops"]),
        ]
        for row in evaluation["rows"]
    ]


def left_out(evaluation: Evaluation) -> str:
    """Which rows lack episodes or ends of episodes, in a line; empty where all were played out."""
    what = {
        "env_errors": "ended in an error of the environment and count in no figure",
        "cut": "were cut by a limit and count by what they came to, as 0 where that was nothing",
    }
    lines = []
    for key, why in what.items():
        if found := [f"{row['controller']} {row[key]}" for row in evaluation["rows"] if row.get(key)]:
            lines.append(f"Of {evaluation['episodes']} episodes some {why}: {', '.join(found)}.")
    return " ".join(lines)


def _figure(value: float | None, digits: int = 3) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def setting(evaluation: Evaluation) -> str:
    """One line: what was played, under which budgets, and between which bounds."""
    horizon = f"horizon {evaluation['horizon']}, " if evaluation["horizon"] else ""  # not every task has that axis
    text = (
        f"{evaluation['env']}: {evaluation['episodes']} held-out episodes, {horizon}"
        f"seed {evaluation['seed']}, memory {evaluation['memory_budget_tokens']} tokens, "
        f"in view {evaluation['read_budget_tokens']} tokens"
    )
    if not evaluation.get("greedy", True):  # runs of before have no such line
        text += ", drawn as in training"
    if evaluation["oracle"] is not None:
        text += f"; best keeper {_figure(evaluation['oracle'])}, blind guess {_figure(evaluation['floor'])}"
    return text


def _knobs(config: TrainConfig) -> str:
    """The knobs that a reader asks after first; ``config.json`` has all."""
    axes = ", ".join(f"{name} {value}" for name, value in config.env.options.items())
    memory, rollout = config.memory, config.rollout
    alone = not config.policy_plays(1)
    rows: Sequence[tuple[str, object]] = (
        ("environment", f"{config.env.name} ({axes or 'default options'})"),
        ("policy", f"{_policy(config.policy)}{_frozen(config.policy.trained)}"),
        ("warm start of the policy", f"{config.warm_start.steps} SFT steps"),
        ("controller", f"{config.controller.name}{_frozen(config.controller.trained)}"),
        ("memory", f"{memory.token_budget} tokens, graph {memory.graph_budget}, archive {memory.archive_budget}"),
        ("episodes a step", f"({rollout.tasks} + {rollout.practice_tasks} practice tasks) × {rollout.group_size}"),
        *([("practice alone", f"the first {rollout.practice_first:.0%} of the steps")] * alone),
        ("curriculum", config.curriculum.name),
    )
    return "\n".join(["| knob | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _policy(policy: PolicyConfig) -> str:
    """Its name, and the model where it has one."""
    if not loads_model(policy.name):
        return policy.name
    return f"{policy.name}: {policy.model}" + (f", LoRA rank {policy.lora_rank}" if policy.name == "hf" else "")


def _frozen(trained: bool) -> str:
    return "" if trained else ", not trained"
