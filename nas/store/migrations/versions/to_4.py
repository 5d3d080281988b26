"""Version 4: trials are ranked by an index, their dicts are lists with the names apart; tags and notes."""

import json
import math
from collections.abc import Mapping
from typing import Any, Literal

import sqlalchemy as sa
from alembic import op

revision = "4"
down_revision = "3"

_ROWS = 1000  # converted at a time


def upgrade() -> None:
    """From version 3."""
    op.create_table(
        "nas_layouts",
        sa.Column(
            "search_id", sa.Integer, sa.ForeignKey("nas_searches.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("names", sa.Text, nullable=False),
    )
    # made anew in SQLite, where numbers of searches were given twice, and columns cannot change
    recreate: Literal["always", "never"] = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    with op.batch_alter_table(
        "nas_searches", recreate=recreate, table_kwargs={"sqlite_autoincrement": True}
    ) as table:
        table.add_column(sa.Column("tags", sa.Text))
        table.add_column(sa.Column("notes", sa.Text))
    op.drop_index("nas_trials_by_score", "nas_trials")
    with op.batch_alter_table("nas_trials", recreate=recreate) as table:
        for name in ("parents", "decisions"):
            table.alter_column(
                name,
                existing_type=sa.JSON(),
                type_=sa.Text(),
                existing_nullable=False,
                nullable=True,
                postgresql_using=f"{name}::text",
            )
        for name in ("metrics", "test_metrics"):
            table.alter_column(
                name, existing_type=sa.JSON(), type_=sa.Text(), postgresql_using=f"{name}::text"
            )
        for name in ("decisions_layout", "metrics_layout", "tests_layout"):
            table.add_column(sa.Column(name, sa.Integer))
        table.add_column(sa.Column("violation", sa.Float))
        table.add_column(sa.Column("rung", sa.Integer))
        table.add_column(sa.Column("tie", sa.Float))
    _convert(op.get_bind())
    op.create_index(
        "nas_trials_by_rank",
        "nas_trials",
        ["search_id", "violation", sa.text("rung DESC"), sa.text("score DESC"), "tie", "number"],
        sqlite_where=sa.text("violation IS NOT NULL"),
        postgresql_where=sa.text("violation IS NOT NULL"),
    )


_SEARCHES = sa.table("nas_searches", sa.column("id"), sa.column("description", sa.JSON))
_LAYOUTS = sa.table("nas_layouts", *map(sa.column, ("search_id", "id", "names")))
_CHANGED = (
    "parents", "decisions", "decisions_layout", "metrics", "metrics_layout", "test_metrics", "tests_layout",
    "violation", "rung", "tie",
)  # fmt: skip
_TRIALS = sa.table(
    "nas_trials", *map(sa.column, ("search_id", "number", "status", "score", "epochs", *_CHANGED))
)


def _convert(connection: sa.Connection) -> None:
    columns = _TRIALS.c
    update = (
        sa.update(_TRIALS)
        .where(columns.search_id == sa.bindparam("the_search"), columns.number == sa.bindparam("trial"))
        .values({name: sa.bindparam(f"new_{name}") for name in _CHANGED})
    )
    for search in connection.execute(sa.select(_SEARCHES)).all():
        layouts: dict[str, int] = {}
        last = -1
        while True:
            query = sa.select(_TRIALS).where(columns.search_id == search.id, columns.number > last)
            rows = connection.execute(query.order_by(columns.number).limit(_ROWS)).mappings().all()
            if not rows:
                break
            connection.execute(
                update,
                [
                    {"the_search": search.id, "trial": row["number"]}
                    | {f"new_{name}": value for name, value in _changes(row, search, layouts).items()}
                    for row in rows
                ],
            )
            last = rows[-1]["number"]
        if layouts:
            connection.execute(
                _LAYOUTS.insert(),
                [{"search_id": search.id, "id": id, "names": names} for names, id in layouts.items()],
            )


def _changes(row: Mapping[Any, Any], search: Any, layouts: dict[str, int]) -> dict[str, Any]:
    decisions, metrics, tests = (_json(row[name]) for name in ("decisions", "metrics", "test_metrics"))
    violation, rung, tie = _rank(row, {k: float(v) for k, v in metrics.items()}, search.description)
    return dict(
        zip(
            _CHANGED,
            (
                " ".join(_json(row["parents"]) or ()) or None,
                *_encode(decisions, layouts),
                *_encode(metrics, layouts),
                *_encode(tests, layouts),
                *(violation, rung, tie),
            ),
            strict=True,
        )
    )


def _json(text: str | None) -> Any:
    return {} if text is None else json.loads(text) or {}


def _encode(values: dict[str, Any], layouts: dict[str, int]) -> tuple[str | None, int | None]:
    if not values:
        return None, None
    names = json.dumps(list(values), separators=(",", ":"))
    id = layouts.setdefault(names, len(layouts) + 1)
    return json.dumps(list(values.values()), separators=(",", ":")), id


def _rank(
    row: Mapping[Any, Any], metrics: Mapping[str, float], description: Mapping[str, Any]
) -> tuple[float | None, int | None, float | None]:
    """What decides the place of a trial beside its score."""
    if row["status"] not in ("complete", "paused"):
        return None, None, None
    rung = (row["epochs"] or 0) if description.get("fidelity") else 0
    loss = metrics.get("loss", math.inf)
    tie = math.inf if math.isnan(loss) else loss
    objectives, limits = description.get("objectives", ()), description.get("limits", ())
    if not objectives:
        return (None if row["score"] is None else 0.0), rung, tie
    values = [metrics.get(one["metric"], math.nan) for one in objectives]
    limited = [metrics.get(one["metric"], math.nan) for one in limits]
    if not all(map(math.isfinite, values)) or any(map(math.isnan, limited)):
        return None, rung, tie
    violation = 0.0
    for limit, value in zip(limits, limited, strict=True):
        excess = limit["bound"] - value if limit["at_least"] else value - limit["bound"]
        violation += max(0.0, excess) / (abs(limit["bound"]) or 1.0)
    return violation, rung, tie
