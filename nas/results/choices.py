"""The choices of a search's plan as a frame: what it chose while it ran, when, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from nas.store.store import DEFAULT_STORE, Store, open_store
from search_spaces.arguments import checked
from search_spaces.errors import SearchError

if TYPE_CHECKING:
    import pandas as pd

_DTYPES = {"seconds": "float64", "part": "str", "value": "str", "reason": "str", "step": "int64"}


@checked(SearchError)
def choices(store: Store | str | Path = DEFAULT_STORE, search: str | int | None = None) -> pd.DataFrame:
    """Returns what the plan of a search chose (see `nas.search.plan`).

    Args:
        store: the store that holds it.
        search: the name or number of the search; left out: the latest.

    Returns:
        A frame with a row for each choice, the first one first; none where nothing was left to a plan.
        ``seconds`` (float64): when it was made, in seconds of the search; ``part`` (str): the part of the
        plan; ``value`` (str): what was chosen, as JSON; ``reason`` (str): the reason, for people; ``step``
        (int64): the number of the controller's call before which it was made.

    Raises:
        StoreError, UnknownNameError: there is no such store or search.
        SearchError: an argument is not what it should be.
    """
    import pandas as pd

    with open_store(store) as opened:
        found = opened.choices(opened.search(search).id)
    rows = [(one.at, one.part, json.dumps(one.value), one.reason, one.step) for one in found]
    return pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)
