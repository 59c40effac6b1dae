"""``memrl trajectories``: what a run does, step by step, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memrl.cli.output import CHECKPOINT_HELP, JSON_HELP, SET_HELP, print_json, quiet_stdout


def trajectories(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="JSON lines, one an episode.")],
    episodes: Annotated[int | None, typer.Option(help="How many tasks; the run's setting if not given.")] = None,
    tries: Annotated[int, typer.Option(help="At each task.")] = 1,
    sampled: Annotated[
        bool, typer.Option("--sampled", help="Draw, as training does, in place of the likeliest.")
    ] = False,
    split: Annotated[str, typer.Option(metavar="held_out|train", help="Which tasks.")] = "held_out",
    offers: Annotated[
        bool, typer.Option("--offers/--no-offers", help="With the numbers of all that was on offer, the largest part.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of the tasks and of what is drawn.")] = 0,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="SECTION.KNOB=VALUE", help=SET_HELP)] = None,
    checkpoint: Annotated[str, typer.Option(metavar="last|best", help=CHECKPOINT_HELP)] = "last",
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Play tasks with a run's policy and controller and write the episodes; memrl.read_jsonl reads them back."""
    from memrl.contracts.errors import ConfigError
    from memrl.contracts.overrides import EVAL_KNOBS, with_settings
    from memrl.training.run_folder import load_config

    if out.exists():
        raise ConfigError("--out", str(out), "it exists already: name another file, or remove it")
    with_settings(load_config(run), settings or [], EVAL_KNOBS)  # Told at once, before torch is loaded.
    with quiet_stdout():
        from memrl.evaluate import collect
        from memrl.reporting.trajectories import to_jsonl

        to_jsonl([], out).unlink()  # So is a file that cannot be written, before anything is played.
        played = collect(
            run,
            episodes=episodes,
            tries=tries,
            greedy=not sampled,
            split=split,  # pyright: ignore[reportArgumentType]
            seed=seed,
            settings=settings or [],
            checkpoint=checkpoint,  # pyright: ignore[reportArgumentType]
        )
        to_jsonl(played, out, offers=offers)
    success = sum(float(episode.success) for episode in played) / len(played)
    steps = sum(len(episode.steps) for episode in played)
    if as_json:
        print_json({"run": str(run), "file": str(out), "episodes": len(played), "steps": steps, "success": success})
    else:
        typer.echo(f"{out}: {len(played)} episodes, {steps} steps, success {success:.3f}")
