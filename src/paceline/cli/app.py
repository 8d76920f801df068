"""The group of commands: each is a module here, loaded when it is used."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING

import click

from paceline._errors import PacelineError

from .failure import INTERRUPTED, UNEXPECTED, USAGE, missing_extra, report

if TYPE_CHECKING:
    from collections.abc import Sequence

# Their one-line helps stand here, so that listing them loads none.
COMMANDS = {
    "batch": "Send a file of requests, in OpenAI's Batch format, through the limiter.",
    "bench": "Measure what your store and your limits give.",
    "check": "Check a paceline.toml, and print what it says.",
    "demo": "Watch four processes share one quota: retries, static shares, paceline.",
    "doctor": "Check a store: reach, version, rights, eviction, persistence.",
    "mock": "Run a pretend OpenAI server that really enforces limits.",
    "plan": "Say how long a batch will take and which limit decides, before sending.",
    "reset": "Forget what a key used.",
    "status": "Show how the accounts stand.",
    "top": "Watch the accounts.",
}


class LazyGroup(click.Group):
    """A group whose commands are modules of this package with a ``command`` each."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's
        """List the names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- click's
        """Load one command."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"{__package__}.{cmd_name}").command
        if not isinstance(command, click.Command):
            raise TypeError(cmd_name)
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 -- click's
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the list of commands from their one-line helps."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Data goes to stdout, talk to stderr. Each command has its own --help.",
)
@click.version_option(package_name="paceline", message="%(prog)s %(version)s")
@click.pass_context
def group(ctx: click.Context) -> int:
    """Many processes share one API quota: no 429s, and full use of what you pay for."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        return USAGE
    return 0


def run(args: Sequence[str]) -> int:
    """Run the command line *args* and return its exit code."""
    try:
        result = group.main(list(args), prog_name="paceline", standalone_mode=False)
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNEXPECTED
    except click.ClickException as error:
        return _usage(error, args)
    except PacelineError as error:
        return report(error, as_json="--json" in args)
    except Exception as error:  # noqa: BLE001 -- whatever it is, --json gets JSON
        return _unexpected(error, args)
    return result if isinstance(result, int) else 0


def _usage(error: click.ClickException, args: Sequence[str]) -> int:
    if "--json" in args:
        hint = f"See `{_command(args)} --help`."
        told = PacelineError(error.format_message(), code="P510", hint=hint)
        return report(told, as_json=True, code=error.exit_code)
    error.show()
    return error.exit_code


def _unexpected(error: Exception, args: Sequence[str]) -> int:
    """Tell of a missing extra; anything else is a defect, with its traceback."""
    as_json = "--json" in args
    if isinstance(error, ModuleNotFoundError):
        return report(missing_extra(error, _command(args)), as_json=as_json)
    if not as_json:
        raise error
    traceback.print_exception(error)
    told = PacelineError(
        f"{_command(args)} failed: {type(error).__name__}: {error}",
        hint="This is a defect. Please report it with the traceback on stderr.",
    )
    return report(told, as_json=True)


def _command(args: Sequence[str]) -> str:
    name = next((arg for arg in args if arg in COMMANDS), "")
    return f"paceline {name}".strip()
