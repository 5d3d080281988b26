"""``nas show``: one network of a store, or of an export."""

from __future__ import annotations

from typing import Annotated

import typer

from nas.commands.options import BEST, FileOption, IdArgument, SearchOption, StoreOption
from nas.commands.user_file import register_modules
from nas.environment import DEFAULT_STORE
from nas.files import is_folder


def show(
    id: IdArgument,
    search: SearchOption = None,
    log: Annotated[bool, typer.Option("--log", help="Also the end of what its trial printed.")] = False,
    file: FileOption = None,
    store: StoreOption = None,
) -> None:
    """Show one architecture: drawing, decisions, costs, learning curve."""
    from nas.commands.output.network import print_found, print_trial
    from nas.reuse.load import load
    from nas.store.store import Store

    register_modules(file)
    if is_folder(id):
        print_found(load(id))
        return
    with Store(store or DEFAULT_STORE) as opened:
        print_trial(opened, None if id == BEST else id, search, log=log)
