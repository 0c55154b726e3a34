"""Help that is read at 80 columns: the options that most people need, or all of them.

What is longer than its column goes on in the next line; no word is ever cut.
"""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from napari_scicompty.cli._usual import USUAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PREPARATION = "Input: how patterns and positions are to be read"
DATASETS = "Input: datasets of a plain HDF5 file"
PANELS = (
    "Input",
    PREPARATION,
    DATASETS,
    "Geometry",
    "Start",
    "Algorithm",
    "Refinement",
    "Run",
    "Saving",
    "Help",
)
"""Groups of options in their order; those of one kind come after their group."""
_COLUMN = 29
"""Where the texts begin."""
_WIDEST = 100
_GENERAL = {
    "--help": "This help.",
    "--version": "Say which version this is.",
    "--install-completion": "Complete commands by the Tab key in this shell.",
    "--show-completion": "Print the lines that do so, to put them in place by hand.",
}
"""What every command line has."""


BY_SET: list[Callable[..., Iterable[tuple[str, str]]]] = []
"""What lists the settings that ``--set`` alone reaches; see `_asked`."""


def wants_all(context: typer.Context, wanted: bool) -> None:
    """Print the whole help, and end."""
    if wanted:
        typer.echo(help_text(context.command, context, everything=True))
        raise typer.Exit


HelpAll = Annotated[
    bool,
    typer.Option(
        "--help-all",
        callback=wants_all,
        is_eager=True,
        help="Every option, in groups.",
        rich_help_panel="Help",
    ),
]


class Command(TyperCommand):
    """A command whose help is ours."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take ``--help-all`` for ``--help`` where that is all there is."""
        if "help_all" not in {param.name for param in self.params}:
            args = ["--help" if arg == "--help-all" else arg for arg in args]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        formatter.write(help_text(self, ctx) + "\n")


class Group(TyperGroup):
    """Commands whose help is ours."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        formatter.write(help_text(self, ctx) + "\n")


class App(typer.Typer):
    """A command line whose commands have our help."""

    def command(self, *args: Any, **options: Any) -> Callable[[Any], Any]:
        """Register a command, as `typer.Typer.command` does."""
        return super().command(*args, **{"cls": Command} | options)


# -- text -----------------------------------------------------------------------------
def help_text(command: Any, context: Any, *, everything: bool = False) -> str:
    """Return the help of a command; the short one where it has one."""
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    short = USUAL.get(command.name or "")
    lines = [" ".join(_usage(command, context)), ""]
    for text in (command.help or "").split("\n\n"):
        lines += [*_wrapped(" ".join(text.split()), width), ""]
    shown = [_Row(p) for p in command.get_params(context)]
    shown = [row for row in shown if row.name]
    if commands := getattr(command, "commands", {}):
        lines += _titled("Commands", width)
        column = max(map(len, commands)) + 4
        for name, each in commands.items():
            first = " ".join((each.help or "").split("\n\n")[0].split())
            lines += _entry(name, first, width, column)
        lines.append("")
    if short is not None and not everything:
        for row in shown:
            row.text = short.lines.get(row.flag, row.text)
        places = {flag: place for place, flag in enumerate(short.lines)}
        shown = [r for r in shown if r.flag in places or r.panel == "Help"]
        shown.sort(key=lambda row: places.get(row.flag, len(places)))
    for panel in _ordered(row.panel for row in shown):
        lines += _titled(panel, width)
        for row in shown:
            if row.panel == panel:
                lines += _entry(row.name, row.text, width)
        lines.append("")
    if everything and "--set" in {row.flag for row in shown}:
        lines += _titled("Other settings, by --set NAME=VALUE", width)
        for by_set in BY_SET:
            for name, text in by_set(figure=command.name == "reconstruct"):
                lines += _entry(name, text, width)
        lines.append("")
    if short is not None:
        lines += [*_titled("Examples", width), *(f"  {e}" for e in short.examples), ""]
        if everything:
            more = "A switch --name of settings has its opposite, --no-name."
        else:
            name = context.command_path
            more = f"These are the usual options; all of them: {name} --help-all"
        lines += [*_wrapped(more, width), ""]
    return "\n".join(lines[:-1])


def _usage(command: Any, context: Any) -> Iterator[str]:
    yield f"Usage: {context.command_path}"
    params = command.get_params(context)
    for argument in (p for p in params if p.param_type_name == "argument"):
        name = argument.name.upper()
        yield name if argument.required else f"[{name}]"
    yield "[OPTIONS]"
    if hasattr(command, "commands"):
        yield "COMMAND"


class _Row:
    """An option or argument, as it is shown."""

    def __init__(self, param: Any) -> None:
        self.flag = param.name.upper()
        self.panel = getattr(param, "rich_help_panel", None) or "Options"
        self.text = param.help or "" if hasattr(param, "help") else ""
        self.name = self.flag
        if param.param_type_name == "argument":
            self.panel = "Input"
            return
        self.flag = max(param.opts, key=len)
        names = ", ".join(sorted(param.opts, key=len))
        if getattr(param, "hidden", False):
            names = ""
        if self.flag in _GENERAL:
            self.panel, self.text = "Help", _GENERAL[self.flag]
        plain = param.is_flag or getattr(param, "count", False) or not names
        kind = "" if plain else param.metavar or _kind(param)
        self.name = f"{names} {kind}".strip()


def _kind(param: Any) -> str:
    known = {"path": "PATH", "float": "NUMBER", "integer": "NUMBER"}
    return known.get(str(getattr(param.type, "name", "")), "TEXT")


def _ordered(panels: Iterable[str]) -> list[str]:
    """Sort groups; ``Algorithm (rpie)`` comes after ``Algorithm``."""

    def place(panel: str) -> tuple[int, bool]:
        title, bracket, _ = panel.partition(" (")
        known = PANELS.index(title) if title in PANELS else len(PANELS) - 2
        return known, bool(bracket)

    return sorted(dict.fromkeys(panels), key=place)


def _titled(title: str, width: int) -> list[str]:
    return [typer.style(line, bold=True) for line in _wrapped(f"{title}:", width)]


def _entry(name: str, text: str, width: int, column: int = _COLUMN) -> list[str]:
    """Set a name before its text, or above it where it is long."""
    lines = _wrapped(text, width, indent=column)
    if len(name) + 4 > column or not lines:
        return [f"  {name}", *lines]
    return [f"  {name:<{column - 2}}{lines[0][column:]}", *lines[1:]]


def _wrapped(text: str, width: int, indent: int = 0) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=" " * indent,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
