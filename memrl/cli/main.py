"""The command line: ``memrl train | eval | chat | serve | inspect | export | trajectories | curriculum | config |
models | data``.

Results go to standard output, progress to standard error. Exit codes: 0 done, 2 wrong usage or input (one line),
1 our fault (traceback), 130 interrupted. Importing this module loads no torch, so that ``--help`` is quick.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from memrl.cli.data import data_app
from memrl.cli.eval import evaluate
from memrl.cli.export import export
from memrl.cli.inspect import inspect
from memrl.cli.mem import mem_app
from memrl.cli.models import models_app
from memrl.cli.output import CHECKPOINT_HELP, quiet_stdout
from memrl.cli.runs import config_app, curriculum
from memrl.cli.serve import serve
from memrl.cli.train import train
from memrl.cli.trajectories import trajectories
from memrl.contracts.errors import InputError, MissingExtra

app = typer.Typer(
    name="memrl",
    help="Agents that learn to manage their own memory: a policy and its memory controller, trained together.",
    add_completion=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_USAGE_ERROR: Any = typer.BadParameter.__base__


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
    except OSError as error:
        if error.filename is None:
            raise
        _fail(f"{os.fsdecode(error.filename)}: {error.strerror}; put it right, or name another")


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


app.command()(train)
app.command("eval")(evaluate)


@app.command()
def chat(
    model: Annotated[
        str, typer.Argument(metavar="MODEL|RUN|URL", help="A model name, folder or hub id, a run folder, an endpoint.")
    ],
    memory: Annotated[Path | None, typer.Option(help="Memory file: read if it exists, written as you go.")] = None,
    checkpoint: Annotated[str, typer.Option(metavar="last|best", help=CHECKPOINT_HELP)] = "last",
    model_name: Annotated[str, typer.Option(help="Of an endpoint: the model that is to answer.")] = "",
    timezone: Annotated[str, typer.Option(help="Whose days dates are, such as Europe/Lisbon.")] = "UTC",
) -> None:
    """Talk to an agent: a line is remembered, a question is answered. /ask, /forget, /why, /memory, /save, /quit."""
    with quiet_stdout():
        from memrl.cli.chat import chat, lines_typed, talk

        agent = chat(model, memory, checkpoint, model_name, timezone)
    talk(agent, lines_typed(), keep=memory is not None)


app.command()(serve)
app.command()(inspect)
app.command()(export)
app.command()(trajectories)
app.command()(curriculum)
app.add_typer(config_app, name="config")
app.add_typer(models_app, name="models")
app.add_typer(data_app, name="data")
app.add_typer(mem_app, name="mem")


if __name__ == "__main__":
    main()
