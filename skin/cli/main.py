"""The command line: everything the app does, and the facts as JSON for scripts."""

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from skin import DISCLAIMER, __version__
from skin.cli import audit, benchmark, data, evaluate, experiment, export, predict, publish, runs, serve, train
from skin.errors import UserError

app = typer.Typer(
    help=f"Train, compare and explain skin-lesion classifiers. {DISCLAIMER}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

COMMANDS: dict[str, Callable[..., None]] = {
    "app": serve.open_app,
    "data": data.data,
    "train": train.train,
    "resume": train.resume,
    "stop": train.stop,
    "rename": runs.rename,
    "delete": runs.delete,
    "runs": runs.list_runs,
    "evaluate": evaluate.evaluate,
    "compare": evaluate.compare,
    "audit": audit.audit,
    "predict": predict.predict,
    "export": export.export,
    "card": publish.card,
    "publish": publish.publish,
    "space": publish.space,
    "benchmark": benchmark.benchmark,
}
"""The commands by name; what each does and takes, its function's docstring and signature say."""

GROUPS: dict[str, tuple[str, dict[str, Callable[..., None]]]] = {
    "experiment": ("Runs that are made to be compared, over folds and seeds.", experiment.COMMANDS),
}
"""Groups of commands by name: what they are about, and each as a row of COMMANDS."""


def in_a_sentence(function: Callable[..., None]) -> Callable[..., None]:
    """The command with its user errors told in one sentence and an exit code."""

    @wraps(function)
    def command(*args: Any, **options: Any) -> None:
        try:
            function(*args, **options)
        except UserError as error:
            typer.secho(f"Error: {error}", err=True, fg="red")
            raise typer.Exit(error.exit_code) from None

    return command


for _name, _function in COMMANDS.items():
    app.command(_name)(in_a_sentence(_function))
for _group, (_help, _functions) in GROUPS.items():
    _commands = typer.Typer(help=_help, no_args_is_help=True)
    for _name, _function in _functions.items():
        _commands.command(_name)(in_a_sentence(_function))
    app.add_typer(_commands, name=_group)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"Skin Lesion Lab {__version__}")
        raise typer.Exit


@app.callback()
def _every_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of the program itself."""
