"""What became of the tasks that a run wrote: ``tasks.jsonl`` as tables, as JSON and as ``curriculum.png``.

Each line of ``tasks.jsonl`` is one visit: a candidate that a gate turned away, or a task that was played (row format:
``curricula.written``).
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from memrl.contracts.errors import DataError, RunFolderError
from memrl.training.run_folder import load_config

LOG = "tasks.jsonl"
REASONS = 3
"""Reasons shown of each gate."""
Row = Mapping[str, Any]


def read_task_log(folder: str | Path) -> list[dict[str, Any]]:
    """The lines of a run's ``tasks.jsonl``; a last line that was cut off by a crash is left out.

    Raises:
        RunFolderError: no run is there, or it wrote no tasks.
        DataError: a line is no row.
    """
    folder = Path(folder)
    config, path = load_config(folder), folder / LOG
    if not path.exists():
        raise RunFolderError(
            f"run folder {folder}: it has no {LOG}, since curriculum.name = {config.curriculum.name!r} writes none; "
            "train with `memrl train --recipe selftrain`"
        )
    return [_row(path, number, line) for number, line in enumerate(_whole_lines(path), 1)]


def _whole_lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        return {**row, "accepted": bool(row["accepted"]), "step": int(row["step"])}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}, line {number}: no row of tasks ({error}); mend or delete the line") from error


def summarise_tasks(rows: Sequence[Row]) -> dict[str, Any]:
    """JSON-ready: how many by source, by gate with the commonest reasons, and by skill signature.

    ``learned`` of a signature is what its normalised success gained from the first third of its visits to the last.
    """
    return {
        "rows": len(rows),
        "proposed": sum(not played(row) or is_new(row) for row in rows),
        "accepted": sum(row["accepted"] for row in rows),
        "rejected": sum(not row["accepted"] for row in rows),
        "steps": max((row["step"] for row in rows), default=0),
        "sources": [_source(name, found) for name, found in _grouped(rows, "source").items()],
        "gates": _gates(rows),
        "signatures": _signatures(rows),
    }


def played(row: Row) -> bool:
    return row["accepted"] and row.get("q") is not None


def is_new(row: Row) -> bool:
    """Whether somebody wrote it, rather than taking it from the buffer or from the hand-made cells."""
    return row.get("source") not in ("replay", "anchor")


def _grouped(rows: Sequence[Row], key: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[str(row.get(key) or "")].append(row)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))


def _source(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    accepted = [row for row in rows if row["accepted"]]
    return {
        "source": name,
        "tasks": len(rows),
        "rejected": len(rows) - len(accepted),
        "q": _mean([row["q"] for row in accepted if played(row)]),
        "reward": _mean([row["reward"] for row in rows if row.get("reward") is not None]),
    }


def _gates(rows: Sequence[Row]) -> list[dict[str, Any]]:
    turned = _grouped([row for row in rows if not row["accepted"]], "gate")
    return [
        {
            "gate": gate,
            "rejected": len(found),
            "reasons": [
                {"reason": reason, "count": count}
                for reason, count in Counter(str(row.get("reason", "")) for row in found).most_common(REASONS)
            ],
        }
        for gate, found in turned.items()
    ]


def _signatures(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The weakest at first sight come first."""
    found = []
    for signature, visits in _grouped([row for row in rows if played(row)], "signature").items():
        values = [row["q"] for row in sorted(visits, key=lambda row: row["step"])]
        third = max(1, len(values) // 3)
        first, last = _mean(values[:third]), _mean(values[-third:])
        found.append(
            {
                "signature": signature,
                "visits": len(visits),
                "written": sum(is_new(row) for row in visits),
                "first_q": first,
                "last_q": last,
                "learned": None if len(values) < 2 else last - first,  # pyright: ignore[reportOperatorIssue]
            }
        )
    return sorted(found, key=lambda item: (item["first_q"], -item["visits"], item["signature"]))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def task_tables(summary: Mapping[str, Any], most: int = 15) -> list[Table]:
    """For a terminal: by source, by gate, and the ``most`` visited signatures, weakest first."""
    busiest = sorted(summary["signatures"], key=lambda item: -item["visits"])[:most]
    kept = {item["signature"] for item in busiest}
    signatures = [item for item in summary["signatures"] if item["signature"] in kept]
    return [
        _table("where tasks came from", ("source", "tasks", "rejected", "q", "reward"), summary["sources"]),
        _table("what the gates turned away", ("gate", "rejected", "reason"), map(_with_reason, summary["gates"])),
        _table(
            f"skills, the weakest first ({len(signatures)} of {len(summary['signatures'])} signatures)",
            ("signature", "visits", "written", "first_q", "last_q", "learned"),
            signatures,
        ),
    ]


def _with_reason(gate: Mapping[str, Any]) -> dict[str, Any]:
    """The gate with its commonest reason."""
    common = gate["reasons"][0]
    return {**gate, "reason": f"{common['reason'][:70]} ({common['count']}x)"}


def _table(title: str, columns: Sequence[str], rows: Any) -> Table:
    table = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column.replace("_", " "), justify="left" if i == 0 or column == "reason" else "right")
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
