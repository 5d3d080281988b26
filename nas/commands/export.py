"""``nas export``: a network, written to a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.commands.formats import ExportFormat
from nas.commands.options import BEST, FileOption, IdArgument, SearchOption, StoreOption
from nas.commands.saying import say
from nas.commands.user_file import register_modules
from nas.environment import DEFAULT_STORE
from nas.files import is_folder


def export(
    id: IdArgument,
    to: Annotated[Path, typer.Option(help="Folder to write to.")],
    format: Annotated[
        ExportFormat, typer.Option(help="The weights alone, or with them a file that runs without us.")
    ] = ExportFormat.safetensors,
    search: SearchOption = None,
    file: FileOption = None,
    store: StoreOption = None,
) -> None:
    """Write a network with its weights and a model card to a folder, tried before it is done."""
    from nas.reuse.export import FORMATS
    from nas.reuse.load import load
    from nas.store.store import Store

    register_modules(file)
    if is_folder(id):
        folder = load(id).export(to, format.value)
    else:
        with Store(store or DEFAULT_STORE) as opened:
            folder = load(opened, None if id == BEST else id, search=search).export(to, format.value)
    more = FORMATS[format.value]
    how = "" if more is None else f"; {more} answers as it does, without nas"
    say(f"wrote {folder}: in Python, nas.load({str(folder)!r}).build() gives the network{how}")
