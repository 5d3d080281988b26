"""``nas store``: the commands for stores themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.commands.options import StoreOption
from nas.commands.saying import say
from nas.environment import DEFAULT_STORE
from nas.escaping import one_line
from nas.passwords import without_password
from search_spaces.errors import StoreError

if TYPE_CHECKING:
    from nas.store.copies import Copied

Name = Annotated[str, typer.Argument(help="Of the search, or its number.")]
Which = Annotated[str | None, typer.Option("--search", help="Only that one: a name or a number.")]
Folder = Annotated[Path, typer.Argument(help="Of Parquet files.")]


def tag(
    search: Name,
    tags: Annotated[list[str] | None, typer.Argument(help="Words; none: the tags are taken off.")] = None,
    store: StoreOption = None,
) -> None:
    """Put tags on a search, in place of those that it has."""
    from nas.store.store import Store

    with Store(store or DEFAULT_STORE) as opened:
        record = opened.annotate(opened.search(search).name, tags=tags or [])
    say(f"{record.name}: {', '.join(record.tags) or 'no tags'}")


def note(
    search: Name,
    text: Annotated[str, typer.Argument(help="What is to be remembered of it.")],
    store: StoreOption = None,
) -> None:
    """Put a note on a search, in place of the one that it has."""
    from nas.store.store import Store

    with Store(store or DEFAULT_STORE) as opened:
        opened.annotate(search, notes=text)


def delete(
    search: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    store: StoreOption = None,
) -> None:
    """Delete a search with its trials, weights and logs. There is no way back."""
    from nas.store.store import Store

    with Store(store or DEFAULT_STORE) as opened:
        record = opened.search(search)
        counts = sum(opened.counts(record.id).values())
        weights = len(opened.kept_weights(record.id))
        if not yes:
            typer.confirm(
                f"delete {one_line(record.name)} with {counts} trials and {weights} weights?", abort=True
            )
        opened.delete(record.id)
    say(f"deleted {record.name}: nas store vacuum gives back the room in a file")


def vacuum(store: StoreOption = None) -> None:
    """Give back the room of what was deleted, where the store is a file."""
    from nas.store.store import Store

    with Store(store or DEFAULT_STORE) as opened:
        opened.vacuum()


def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help="A URL or a path.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="A URL or a path; made if it is not there.")],
    search: Which = None,
) -> None:
    """Copy all searches of a store, or one, to another store. What is there already is left out."""
    from nas.store.store import Store

    _check_stays(target)
    with Store(source) as here, Store(target, create=True) as there:
        _tell(here.copy(there, search), without_password(target))


def export(folder: Folder, search: Which = None, store: StoreOption = None) -> None:
    """Write all searches of a store, or one, to a folder of Parquet files."""
    from nas.store.store import Store

    with Store(store or DEFAULT_STORE) as opened:
        for name in opened.export(folder, search):
            say(f"{name}: written to {folder}")


def import_(folder: Folder, store: StoreOption = None) -> None:
    """Take in the searches that were exported to a folder. What is there already is left out."""
    from nas.store.store import Store

    _check_stays(store or DEFAULT_STORE)
    with Store(store or DEFAULT_STORE, create=True) as opened:
        _tell(opened.import_folder(folder), without_password(store or DEFAULT_STORE))


def _check_stays(target: str) -> None:
    """Checks that a store outlives this command.

    Raises:
        StoreError: it is in memory, or no URL of a store.
    """
    from nas.store.database import in_memory

    if in_memory(target):
        raise StoreError(
            f"store {without_password(target)!r} is in memory, and would be gone with this command: "
            "name a file, such as copy.db"
        )


def _tell(done: Copied, where: str) -> None:
    for name in done.copied:
        say(f"{name}: copied to {where}")
    for name in done.known:
        say(f"{name}: is there already")


app = typer.Typer(help="Look after stores.", no_args_is_help=True, rich_markup_mode=None)

for command, example in (
    (tag, "tag digits-evolution-1 baseline paper"),
    (note, "note digits-evolution-1 'the one with the larger images'"),
    (delete, "delete digits-evolution-1"),
    (vacuum, "vacuum"),
    (copy, "copy nas.db postgresql://user@host/nas --search digits-evolution-1"),
    (export, "export backup --search digits-evolution-1"),
    (import_, "import backup --store other.db"),
):
    app.command(command.__name__.rstrip("_"), epilog=f"Example: nas store {example}")(command)
