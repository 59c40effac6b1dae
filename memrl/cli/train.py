"""``memrl train``: recipe, then file, then ``--set``, then named options; what comes later wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memrl.cli.eval import evaluation_of
from memrl.cli.output import JSON_HELP, SET_HELP, print_json, quiet_stdout
from memrl.contracts.errors import InputError

if TYPE_CHECKING:
    from memrl.contracts.config import TrainConfig


def train(
    recipe: Annotated[str | None, typer.Option(help="A run of memrl.recipes; quickstart if not given.")] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YAML on top of its `recipe:`; see `memrl config show RECIPE`."),
    ] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="SECTION.KNOB=VALUE", help=SET_HELP)] = None,
    model: Annotated[str | None, typer.Option(help="Policy: a name of `memrl models list`, folder or hub id.")] = None,
    env: Annotated[str | None, typer.Option(help="Environment, with its default axes.")] = None,
    out: Annotated[str | None, typer.Option(help="Run folder; runs/RECIPE-SEED, numbered if taken.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of everything random.")] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps.")] = None,
    init_controller: Annotated[
        str | None, typer.Option(metavar="DIR|shipped", help="An exported controller to begin with, options included.")
    ] = None,
    from_feedback: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Train a controller on rated answers alone; --out names it.")
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Train policy, controller and curriculum together, evaluate, report. Without options: the main job."""
    if from_feedback is not None:
        unread = {
            "--recipe": recipe, "--config": config, "--set": settings, "--model": model, "--env": env, "--seed": seed,
            "--steps": steps, "--resume": resume,
        }  # fmt: skip
        if given := [name for name, value in unread.items() if value is not None and value != []]:
            raise InputError(
                f"--from-feedback {from_feedback}: leave out {', '.join(given)}; nothing of it is read here"
            )
        _learn(from_feedback, out, init_controller, as_json)
        return
    if resume is not None:
        named = {
            "--recipe": recipe, "--config": config, "--model": model, "--env": env, "--out": out, "--seed": seed,
            "--init-controller": init_controller,
        }  # fmt: skip
        made = _resumed(resume, named, settings or [], steps)
    else:
        made = configured_run(recipe, config, settings or [], model=model, env=env, out=out, seed=seed, steps=steps)
        made = _started(made, init_controller, settings or [])
    with quiet_stdout():
        from memrl.reporting.report import save_evaluation, write_report
        from memrl.train import train as train_run

        folder = train_run(made, resume=resume)
        evaluation = evaluation_of(folder)
        save_evaluation(folder, evaluation)
        page = write_report(folder)
    from memrl.reporting.show import show_evaluation

    if as_json:
        print_json({"run": str(folder), **evaluation})
    else:
        show_evaluation(evaluation)
        typer.echo(f"report: {page}   picture: {folder / 'curve.png'}")


def _learn(file: Path, out: str | None, start: str | None, as_json: bool) -> None:
    """A controller from rated answers. Raises InputError."""
    if out is None:
        raise InputError(f"--from-feedback {file}: say where the controller is to go: --out DIR")
    with quiet_stdout():
        from memrl.training.feedback import learn

        measured = learn(file, out, start or "shipped")
    if as_json:
        print_json({"controller": out, **measured})
    else:
        typer.echo(f"{measured['answers']:.0f} rated answers, {measured['readings']:.0f} readings; controller: {out}")


def configured_run(
    recipe: str | None,
    file: Path | None,
    settings: Sequence[str],
    *,
    model: str | None = None,
    env: str | None = None,
    out: str | None = None,
    seed: int | None = None,
    steps: int | None = None,
) -> TrainConfig:
    """Recipe < file < settings < named options. Another environment begins with its own default axes.

    Raises:
        InputError: a file cannot be read; there is no such recipe or knob, or no run can have its value.
    """
    from memrl.contracts.config import EnvConfig
    from memrl.contracts.config_io import changed
    from memrl.contracts.overrides import read_config_file, with_settings
    from memrl.contracts.policy_models import check_read
    from memrl.recipes import configured

    config = configured(read_config_file(file) if file is not None else {}, recipe)
    if env is not None and env != config.env.name:
        config = replace(config, env=EnvConfig(name=env))
    config = with_settings(config, settings)
    told = {one.partition("=")[0].strip(): one.partition("=")[2] for one in settings}
    check_read(config.policy.name, {**told, **({"--model": model} if model is not None else {})})
    given = {"out": out, "seed": seed, "steps": steps}
    named = {name: value for name, value in given.items() if value is not None}
    if model is not None:
        named["policy"] = {"model": model}
    if env is not None:
        named["env"] = {"name": env}
    return changed(config, named)


def _started(config: TrainConfig, start: str | None, settings: Sequence[str]) -> TrainConfig:
    """The run with its controller beginning where an exported one ended, with the options and offers of that one.

    Raises:
        InputError: a setting asks for another controller than that.
    """
    if start is None:
        return config
    own = ("controller.trained", "controller.max_ops")
    against = [one for one in settings if one.startswith("controller.") and not one.startswith(own)]
    if against:
        raise InputError(f"--init-controller {start}: it brings its own options and offers; leave out {against[0]}")
    from memrl.training.start import started_config

    own = config.controller
    begun = started_config(start)
    return replace(config, controller=replace(begun, trained=own.trained, max_ops=own.max_ops))


def _resumed(folder: Path, named: Mapping[str, object], settings: Sequence[str], steps: int | None) -> TrainConfig:
    """The run's own config; ``Run.open`` says which settings may change."""
    from memrl.contracts.overrides import with_settings
    from memrl.training.run_folder import load_config

    if given := [option for option, value in named.items() if value is not None]:
        raise InputError(f"--resume {folder}: a run goes on with its own settings; leave out {', '.join(given)}")
    config = with_settings(load_config(folder), settings)
    return replace(config, steps=steps) if steps is not None else config
