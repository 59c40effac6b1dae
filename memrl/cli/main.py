"""The command line: ``memrl train | eval | chat | inspect | curriculum | models``.

Results go to standard output, progress to standard error. Exit codes: 0 done, 2 wrong usage or input (one line),
1 our fault (traceback), 130 interrupted. Importing this module loads no torch, so that ``--help`` is quick.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memrl.contracts.errors import ConfigError, InputError, MissingExtra

if TYPE_CHECKING:
    from memrl.contracts.config import TrainConfig

app = typer.Typer(
    name="memrl",
    help="Agents that learn to manage their own memory: a policy and its memory controller, trained together.",
    add_completion=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(help="Models by name.", rich_markup_mode=None)
app.add_typer(models_app, name="models")

_USAGE_ERROR: Any = typer.BadParameter.__base__
JSON_HELP = "Print one JSON object on standard output and nothing else there."


def main() -> None:
    """Run the command line and exit."""
    # Two busy processes whose idle threads spin slow each other several-fold; read when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if not sys.warnoptions:
        # What libraries tell each other about their next versions is not for a user's eyes; python -W shows it.
        warnings.simplefilter("ignore", FutureWarning)
    try:
        sys.exit(app(standalone_mode=False, prog_name="memrl") or 0)
    except (InputError, MissingExtra) as error:
        _fail(str(error))
    except _USAGE_ERROR as error:
        command = error.ctx.command_path if error.ctx is not None else "memrl"
        _fail(f"{error.format_message().rstrip('.')}; see `{command} --help`")
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not fail again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _fail(message: str) -> None:
    """One line on standard error, exit code 2."""
    sys.stderr.write(f"memrl: {' '.join(message.split())}\n")
    sys.exit(2)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"memrl {version('memrl')}")
        except PackageNotFoundError:
            typer.echo("memrl, from a source tree that is not installed")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def train(
    recipe: Annotated[str | None, typer.Option(help="A run of memrl.recipes; quickstart if not given.")] = None,
    model: Annotated[str | None, typer.Option(help="Policy: a name of `memrl models list`, folder or hub id.")] = None,
    env: Annotated[str | None, typer.Option(help="Environment, with its default axes.")] = None,
    out: Annotated[str | None, typer.Option(help="Run folder; runs/RECIPE-SEED, numbered if taken.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of everything random.")] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Train policy, controller and curriculum together, evaluate, report. Without options: the main job."""
    named = {"--recipe": recipe, "--model": model, "--env": env, "--out": out, "--seed": seed}
    config = _resumed(resume, named, steps) if resume is not None else _configured(recipe, model, env, out, seed, steps)
    with _quiet_stdout():
        from memrl.reporting.report import save_evaluation, write_report
        from memrl.train import train as train_run

        folder = train_run(config, resume=resume)
        evaluation = _evaluation(folder)
        save_evaluation(folder, evaluation)
        page = write_report(folder)
    from memrl.reporting.show import show_evaluation

    if as_json:
        _print_json({"run": str(folder), **evaluation})
    else:
        show_evaluation(evaluation)
        typer.echo(f"report: {page}   picture: {folder / 'curve.png'}")


@app.command("eval")
def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    env: Annotated[str | None, typer.Option(help="Another environment than the run's, with its default axes.")] = None,
    episodes: Annotated[int | None, typer.Option(help="How many held-out tasks.")] = None,
    horizon: Annotated[int | None, typer.Option(help="Steps an episode.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the tasks.")] = 0,
    rows: Annotated[str | None, typer.Option(metavar="A,B", help="Controllers to compare.")] = None,
    memory_tokens: Annotated[
        int | None, typer.Option(help="Token budget and read budget, in place of the run's.")
    ] = None,
    data: Annotated[str | None, typer.Option(metavar="PATH", help="Data, for environments that read some.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Play held-out tasks with a run and with the unlearned controllers at the same budgets."""
    names = [name.strip() for name in rows.split(",") if name.strip()] if rows is not None else None
    if names == []:
        raise ConfigError("rows", rows, "name controllers, separated by commas")
    from memrl.training.run_folder import load_config

    load_config(run)  # A wrong folder is told at once, before torch is loaded.
    with _quiet_stdout():
        evaluation = _evaluation(
            run,
            env=env,
            episodes=episodes,
            horizon=horizon,
            seed=seed,
            rows=names,
            memory_tokens=memory_tokens,
            data=data,
        )
    from memrl.reporting.show import show_evaluation

    if as_json:
        _print_json(evaluation)
    else:
        show_evaluation(evaluation)


@app.command()
def chat(
    model: Annotated[str, typer.Argument(metavar="MODEL|RUN", help="A model name, folder or hub id, or a run folder.")],
    memory: Annotated[Path | None, typer.Option(help="Memory file: read if it exists, written at the end.")] = None,
) -> None:
    """Talk to an agent: a line is observed, a line that ends with "?" is asked. /memory, /save [FILE], /quit."""
    with _quiet_stdout():
        from memrl.agent import wrap
        from memrl.cli.chat import lines_typed, talk

        agent = wrap(model, memory=memory)
    talk(agent, lines_typed())
    if memory is not None:
        typer.echo(f"memory saved to {agent.save()}")


@app.command()
def inspect(
    path: Annotated[Path, typer.Argument(metavar="RUN|FILE", help="A run folder or a memory file.")],
) -> None:
    """Show a run (config, last metrics, evaluation) or what a memory file holds."""
    from memrl.reporting.show import show_memory_file, show_run

    if path.is_dir():
        show_run(path)
    else:
        show_memory_file(path)


@app.command()
def curriculum(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder whose curriculum writes tasks.")],
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Show which tasks a run wrote, which were turned away and why, what was learned; draws curriculum.png."""
    from memrl.reporting.task_plots import draw_curriculum
    from memrl.reporting.task_report import read_task_log, summarise_tasks
    from memrl.training.run_folder import read_metrics

    rows = read_task_log(run)
    summary = {"run": str(run), **summarise_tasks(rows)}
    picture = run / "curriculum.png"
    with _quiet_stdout():
        draw_curriculum(rows, read_metrics(run), picture)
    if as_json:
        _print_json({**summary, "picture": str(picture)})
        return
    from memrl.reporting.show import show_curriculum

    show_curriculum(summary)
    typer.echo(f"picture: {picture}")


@models_app.command("list")
def models_list() -> None:
    """The models that `memrl models pull` can fetch."""
    from memrl.policies.models import cache_folder, known

    for name, model in known().items():
        here = "in the cache" if (cache_folder() / "models" / name / "config.json").exists() else "not pulled yet"
        typer.echo(f"{name}  {model.about} ({model.licence}; {here})")


@models_app.command("pull")
def models_pull(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Fetch a model, check its sha256 and convert it; nothing to do if it is in the cache."""
    from rich.console import Console
    from rich.progress import Progress

    from memrl.policies.models import pull

    console = Console(stderr=True, highlight=False)
    with _quiet_stdout(), Progress(console=console, disable=not console.is_terminal) as progress:
        bars: dict[str, Any] = {}

        def tell(what: str, share: float) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=1.0)
                if not console.is_terminal:
                    console.print(what, markup=False)
            progress.update(bars[what], completed=share)

        folder = pull(name, tell)
    typer.echo(str(folder))


def _configured(
    recipe: str | None, model: str | None, env: str | None, out: str | None, seed: int | None, steps: int | None
) -> TrainConfig:
    from memrl.contracts.config import EnvConfig
    from memrl.recipes import recipe as make

    given = {"out": out, "seed": seed, "steps": steps}
    config = make(recipe or "quickstart", **{name: value for name, value in given.items() if value is not None})
    if model is not None:
        config = replace(config, policy=replace(config.policy, model=model))
    if env is not None and env != config.env.name:
        config = replace(config, env=EnvConfig(name=env))
    return config


def _resumed(folder: Path, named: Mapping[str, object], steps: int | None) -> TrainConfig:
    """The run's own config; only the number of steps may change."""
    from memrl.training.run_folder import load_config

    if given := [option for option, value in named.items() if value is not None]:
        raise InputError(f"--resume {folder}: a run goes on with its own settings; leave out {', '.join(given)}")
    config = load_config(folder)
    return replace(config, steps=steps) if steps is not None else config


def _evaluation(run: Path, **options: Any) -> dict[str, Any]:
    """``evaluate`` with a line for each row that begins, as JSON-ready data."""
    from memrl.evaluate import evaluate as evaluate_run
    from memrl.reporting.report import finite
    from memrl.training.progress import Bars

    with Bars() as bars:
        report = evaluate_run(run, progress=lambda row: bars.say(f"evaluating {row}"), **options)
    return finite(report.to_json())


def _print_json(data: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(data, allow_nan=False))


@contextlib.contextmanager
def _quiet_stdout() -> Iterator[None]:
    """Whatever a library prints goes to standard error: standard output is for results."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


if __name__ == "__main__":
    main()
