"""Whether the networks of a search that was to inherit weights have inherited any."""

from __future__ import annotations

from nas.records import BEGAN_FROM
from nas.search_record import SearchRecord
from nas.store.store import Store

INHERITED = "inherited_tensors"
"""The column that says of how many of its tensors a network began with numbers of its parent."""


def nothing_inherited(store: Store, record: SearchRecord) -> str | None:
    """Returns that no network of a search has inherited, in one line; None where one has, or none was to.

    Args:
        store: the store that has it.
        record: the record of the search.
    """
    if not record.description.inherit_weights:
        return None
    begun = [trial for trial in store.trials(record.id) if (trial.message or "").startswith(BEGAN_FROM)]
    if not begun or any(trial.metrics.get(INHERITED, 1) for trial in begun):
        return None
    return (
        f"inherit_weights: {len(begun)} networks began from their parents and have no number of theirs: "
        "the networks of this space share nothing that can be inherited"
    )
