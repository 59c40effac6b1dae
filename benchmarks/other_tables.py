"""Tables that are not evaluations: credit against its ground truth, and speed. Each from its own file."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

Found = Mapping[str, Any]


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes each section from the folder of results; None where there are none."""
    one_file = (lost_facts, horizon_time, credit_truth, delayed_bandit, vs_trl, controller, learner, kill_resume)
    return {make.__name__: partial(of_file, make) for make in one_file} | {
        "credit_curves": lambda folder: of_seeds(credit_curves, folder / "credit_curves")
    }


def of_file(make: Callable[[Found], str], folder: Path) -> str | None:
    """The section of the one result file that is named as what makes it."""
    path = folder / f"{make.__name__}.json"
    return make(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def of_seeds(make: Callable[[Sequence[Any]], str], folder: Path) -> str | None:
    """The section of a folder with one result file a seed."""
    paths = sorted(folder.glob("*.json"), key=lambda path: (len(path.stem), path.stem))
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return make(runs) if runs else None


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in rows)])


def lost_facts(found: Found) -> str:
    """One row a run: how many facts it lost, and the ways."""
    title = (
        f"**What trained controllers lose (`lost_facts.py`).** {found['episodes']} held-out tasks of 48 steps for each "
        "run, other ones than above, read without error. A fact counts once for each way it was lost. Spare: memory "
        "held something that no later question rests on when the fact was let go."
    )
    rows = [
        [
            f"`{row['run']}`",
            f"{row['success']:.3f}",
            str(row["lost"]),
            ", ".join(f"{way} ({count})" for way, count in row["how"].items()),
            str(row["spare"]),
        ]
        for row in found["rows"]
    ]
    return f"{title}\n\n{table(['run', 'success', 'facts lost', 'how', 'spare'], rows)}"


def credit_truth(found: Found) -> str:
    """Estimators by rank correlation, best first."""
    options = found["options"]
    title = (
        f"**Credit against its ground truth (`credit_truth.py`).** {found['worlds']} small worlds, {found['ops']} "
        "memory ops of a partly trained controller; the truth is the mean return over "
        f"{options['continuations']} continuations after the op, minus the same after Keep in its place. "
        "Intervals: bootstrap over worlds."
    )
    ranked = sorted(found["rows"].items(), key=lambda item: -item[1]["value"]["spearman"])
    rows = [
        [
            f"`{name}`",
            f"{row['value']['spearman']:.3f}",
            "{:.3f} to {:.3f}".format(*row["value"]["ci95"]),
            f"{row['tokens_per_world']:,.0f}",
            f"{1000 * row['seconds_per_world']:.0f}",
        ]
        for name, row in ranked
    ]
    head = ["estimator", "Spearman", "95 % interval", "extra tokens read a world", "ms a world"]
    return f"{title}\n\n{table(head, rows)}"


def delayed_bandit(found: Found) -> str:
    """Estimators by whether they learn what is paid late, or that they refuse."""
    options = found["options"]
    title = (
        f"**A reward two steps late (`delayed_bandit.py`).** Three actions, two arms, paid with the last; the right "
        f"arm starts at {found['start']:.2f}. Probability of the right arm after {options['episodes']:,} episodes, "
        f"{options['seeds']} seeds; the bar is {found['bar']:.1f}. The last row gives each action the reward of its "
        "own step."
    )
    rows = []
    for row in found["rows"]:
        name = row["estimator"] if " " in row["estimator"] else f"`{row['estimator']}`"
        if "refused" in row:
            rows.append([name, "refuses by name", "-"])
        else:
            rows.append([name, f"{statistics.mean(row['success']):.3f}", ", ".join(f"{s:.3f}" for s in row["success"])])
    return f"{title}\n\n{table(['estimator', 'right arm', 'by seed'], rows)}"


def credit_curves(runs: Sequence[Found]) -> str:
    """Estimators by the episodes that they need, soonest first; each at the size of a step that suits it best."""
    title = (
        "**Episodes to 0.8 of the oracle, by credit estimator (`credit_curves.py`).** The controller alone, from "
        "scratch, on the default task, read without error; medians over seeds; held-out success is looked at every "
        "128 episodes with up to 16 a step, else every 256 (`broadcast`, `blended`, `gae` and `leave_one_out` every "
        "128 with 32 a step as well). Each estimator stands at the size of a step, of those tried, with which it "
        "needed the fewest episodes. Tokens are what a language model would have read, replays included."
    )
    sizes = sorted({run["batch"] for run in runs})
    names = list(dict.fromkeys(run["estimator"] for run in runs))
    lines = [_estimator({n: _curves(runs, name, n) for n in sizes}, name) for name in names]
    lines.sort(key=lambda line: line[0])
    head = ["estimator", "seeds", "episodes to 0.8", "by seed", "thousand tokens to 0.8", "success at the last look"]
    head += ["episodes a step", *(f"episodes to 0.8 with {size} a step" for size in sizes)]
    return f"{title}\n\n{table(head, [cells for _, cells in lines])}"


def _curves(runs: Sequence[Found], name: str, size: int) -> list[Any]:
    return [run["points"] for run in runs if run["estimator"] == name and run["batch"] == size]


def _estimator(by_size: Mapping[int, list[Any]], name: str) -> tuple[tuple[float, float], list[str]]:
    """(what to sort by, cells): its best size first, then the median at every size."""
    reached = {n: [first_at(points, "episodes") for points in curves] for n, curves in by_size.items() if curves}
    medians = {n: _middle(episodes) for n, episodes in reached.items()}
    best = min(medians, key=lambda n: (medians[n], -n))
    curves = by_size[best]
    last = statistics.fmean(points[-1]["success"] for points in curves)
    told = [_count(medians[n]) if n in medians else "-" for n in by_size]
    return (medians[best], -last), [f"`{name}`", str(len(curves)), *_reached(curves), str(best), *told]


def first_at(points: Sequence[Mapping[str, float]], what: str, bar: float = 0.8) -> float:
    """Where the bar is reached and held at the next look as well; infinite if never."""
    for now, following in zip(points, [*points[1:], points[-1]], strict=True):
        if now["success"] >= bar and following["success"] >= bar:
            return now[what]
    return math.inf


def _reached(curves: Sequence[Sequence[Mapping[str, float]]]) -> list[str]:
    episodes = [first_at(points, "episodes") for points in curves]
    tokens = [first_at(points, "tokens") / 1000 for points in curves]
    last = statistics.fmean(points[-1]["success"] for points in curves)
    return [_count(_middle(episodes)), ", ".join(map(_count, episodes)), _count(_middle(tokens)), f"{last:.3f}"]


def _middle(values: Sequence[float]) -> float:
    """The median, one that never got there counted as later than any that did."""
    return sorted(values)[len(values) // 2]


def _count(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else "never"


def vs_trl(found: Found) -> str:
    """One row a variant: the headline with every row trained, then without the silent ones."""
    title = (
        "**Rollout and update against TRL's `GRPOTrainer` with an append-only context (`vs_trl.py`).** The same model, "
        "tasks, sampler and group. *Times TRL*: both sides train every row that they sampled; in the last columns "
        "memrl skips rows without advantage, as it does by itself. CPU: by the processes' CPU time in place of the "
        f"wall clock. Tokens are those of one episode; {_on(found)}."
    )
    variants: dict[tuple[int, bool], dict[str, Any]] = {}
    for one in found["results"]:
        variants.setdefault((one["horizon"], one["every_step"]), {})[one["side"]] = one
    head = ["steps", "asks", "TRL episodes/s", "memrl episodes/s", "times TRL", "times TRL, CPU"]
    head += ["tokens read and trained, TRL", "memrl", "times TRL, silent rows skipped", "the same, CPU"]
    return f"{title}\n\n{table(head, [_against_trl(key, sides) for key, sides in variants.items()])}"


def _against_trl(variant: tuple[int, bool], sides: Mapping[str, Any]) -> list[str]:
    trl, every, skipping = (sides.get(side, {}) for side in ("trl", "memrl", "memrl, silent rows skipped"))

    def times(one: Mapping[str, Any]) -> list[str]:
        names = ("episodes_per_s", "episodes_per_cpu_s")
        return [_or_dash(one.get(name, math.nan) / trl.get(name, math.nan)) for name in names]

    speeds = [f"{one.get('episodes_per_s', math.nan):.3f}" for one in (trl, every)]
    tokens = [
        " + ".join(f"{one.get(f'{name}_an_episode', math.nan):,.0f}" for name in ("read", "trained"))
        for one in (trl, every)
    ]
    asks = "every step" if variant[1] else "a tenth"
    return [str(variant[0]), asks, *speeds, *times(every), *tokens, *times(skipping)]


def _or_dash(value: float) -> str:
    """A ratio; a dash where one of the two was not measured."""
    return f"{value:.1f}" if math.isfinite(value) else "-"


def horizon_time(found: Found) -> str:
    ratio = found["seconds_ratio"]
    title = (
        "**Time and tokens a step at ten times the horizon (`horizon_time.py`).** "
        f"{found['episodes_at_a_time']} episodes at a time, the horizons in turns, {len(ratio['each'])} rounds; "
        f"{_on(found)}. Long to short, median of the rounds: {ratio['median']:.2f}."
    )
    rows = [[str(r["horizon"]), f"{r['ms_per_step']:.1f}", f"{r['tokens_per_step']:.1f}"] for r in found["rows"]]
    return f"{title}\n\n{table(['steps', 'ms a step', 'tokens a step'], rows)}"


def controller(found: Found) -> str:
    title = (
        f"**Controller decisions per second (`controller.py`).** {found['episodes']} episodes at a time, {_on(found)}."
    )
    rows = [
        ["the controller alone: features in, ops out", f"{found['choose_decisions_per_second']:,.0f}"],
        ["the whole of play: world, offers, network, stores, reader", f"{found['play_decisions_per_second']:,.0f}"],
    ]
    return f"{title}\n\n{table(['what', 'decisions/s'], rows)}"


def learner(found: Found) -> str:
    title = (
        "**The learner against a bare pass (`learner.py`).** Speed relative to forward and backward over exactly the "
        f"trained rows; medians, variants in turns; {_on(found)}."
    )
    models = list(found["models"])
    variants = list(found["models"][models[0]]["seconds"])
    rows = [[name, *(_speed(found["models"][model]["seconds"], name) for model in models)] for name in variants]
    return f"{title}\n\n{table(['variant', *models], rows)}"


def kill_resume(found: Found) -> str:
    title = "**Killed and resumed (`kill_resume.py`).** SIGKILL, then `--resume`; compared are metrics and checkpoints."
    rows = [
        ["at random moments", str(found["random_kills"]), str(found["random_identical"])],
        ["at points where files are half done", str(found["points"]), str(found["points_identical"])],
    ]
    return f"{title}\n\n{table(['killed', 'kills', 'ended bit-identical'], rows)}"


def _speed(seconds: Mapping[str, float], name: str) -> str:
    return f"{seconds['bare pass (floor)'] / seconds[name]:.2f}"


def _on(found: Found) -> str:
    machine = found["machine"]
    return f"{machine['threads']} thread(s) of {machine['cpu']}"
