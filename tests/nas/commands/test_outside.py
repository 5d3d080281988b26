"""What comes from outside does nothing in what commands print and write, and no password is seen."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import signal
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase
from unittest import mock
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import record

from nas import Search, cli
from nas.cluster.job import cluster_job
from nas.store.store import Store
from search_spaces.catalog import mlp
from search_spaces.errors import NasError, SearchError

EVIL = "a\x1b]52;c;aGk=\x07\x9b31m[red]:bomb:\u202e=1+1|<img src=x>\r\n`![x](y)"
"""What a terminal, a sheet, Markdown and HTML would each do something with."""


class Output(io.StringIO):
    """Standard output, kept."""


def command(*arguments: object) -> tuple[int, str]:
    """Runs the command in this process; returns its exit code, and all that it said."""
    said = Output()
    with (
        mock.patch.object(sys, "argv", ["nas", *map(str, arguments)]),
        mock.patch.object(signal, "signal"),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
    ):
        try:
            cli.main()
        except SystemExit as ended:
            return int(ended.code or 0), said.getvalue()
    raise AssertionError("it did not end")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a store of one search whose every text is evil."""
    folder = tmp_path_factory.mktemp("evil")
    with Store(folder / "nas.db", create=True) as store:
        found = record(store, 12, name=EVIL)
        store.annotate(found.id, tags=["=1", "[red]"], notes=EVIL)
        with store.writing(found.id) as writing:
            for number, status in ((12, "failed"), (13, "complete")):
                like = store.trials(found.id)[0]
                texts = dict.fromkeys(("origin", "reason", "message", "traceback"), EVIL)
                trial = replace(like, number=number, architecture_id=f"{number:016x}", status=status, **texts)
                writing.add(replace(trial, parents=(EVIL,), ran={"device": EVIL, "precision": EVIL}))
                writing.log(number, EVIL)
            writing.search(reason=EVIL)
    with contextlib.chdir(folder):
        yield folder


READING = [
    *(
        ["leaderboard", "1", "--format", form, "--ran", "--top", "20"]
        for form in ("table", "markdown", "json", "csv")
    ),
    *(["leaderboard", "1", "--over-seeds", "--format", form] for form in ("table", "csv")),
    ["list", "searches"],
    ["status", "1", "--workers"],
    ["show", f"{12:016x}", "--log"],
    ["show", f"{13:016x}", "--log"],
    ["show", "best"],
    ["show", EVIL],
    ["leaderboard", EVIL + "x"],
    ["leaderboard", "1", "--where", EVIL],
    ["report", "1"],
    ["store", "tag", "1", "=1", "[red]"],
    ["store", "export", "parquet"],
    ["store", "import", "parquet"],
    ["store", "delete", EVIL + "x"],
    ["list", EVIL],
    ["search", "--problem", EVIL],
]


@pytest.mark.parametrize(
    "words", READING, ids=lambda words: " ".join(words[:5]).encode("unicode_escape").decode()
)
def test_nothing_that_is_stored_steers_a_terminal(folder: Path, words: list[str]) -> None:
    _, said = command(*words)
    hidden = {one for one in said if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert hidden <= {"\n", "\t"} | ({"\r"} if "csv" in words else set())
    assert "💣" not in said


def test_markup_comes_out_as_it_is(folder: Path) -> None:
    for words in (["list", "searches"], ["leaderboard", "1"], ["status", "1"], ["show", "best"]):
        said = re.sub(r"\s", "", command(*words)[1])
        assert "\\x1b]52;c;aGk=\\x07\\x9b31m[red]:bomb:\\u202e=1+1|<imgsrc=x>" in said


def test_no_cell_of_a_sheet_is_a_formula(folder: Path) -> None:
    with Store("nas.db") as store:
        trial = store.trials(1)[0]
        with store.writing(1) as writing:
            writing.update(replace(trial, message="=cmd|' /C calc'!A0", reason="+1"))
    _, said = command("leaderboard", "1", "--format", "csv")
    cells = [cell for line in csv.reader(io.StringIO(said)) for cell in line]
    assert "'=cmd|' /C calc'!A0" in cells
    for cell in cells:
        assert cell[:1] not in ("=", "@", "\t", "\r")
        assert cell[:1] not in ("+", "-") or re.fullmatch(r"[+-][\d.e+-]+", cell)


def test_every_row_of_markdown_has_as_many_cells(folder: Path) -> None:
    _, said = command("leaderboard", "1", "--format", "markdown", "--ran", "--top", "20")
    lines = said.splitlines()
    assert len(lines) == 2 + 14
    assert len({len(re.findall(r"(?<!\\)\|", line.replace("\\\\", ""))) for line in lines}) == 1
    assert "<img" not in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("leaderboard --store ~nouser/x.db", "home directory"),
        ("leaderboard --store /proc/x", "no store at /proc/x"),
        ("search --trials 1 --executor inline --store /proc/x", "unable to open database file"),
        ("leaderboard --store nnnn", "File name too long"),
        ("show nnnn", "no architecture named"),
        ("store copy nas.db sqlite://", "in memory"),
        ("store import backup --store sqlite://", "in memory"),
        ("report --html /dev/null", "device"),
        ("report --html link", "link"),
        ("report --html pipe", "pipe"),
        ("report --html .", "folder"),
        ("report --html nnnn", "File name too long"),
        ("export best --to link", "link"),
        ("store export link", "link"),
    ],
)
def test_what_is_no_place_takes_one_line_to_say(folder: Path, words: str, said: str) -> None:
    if not (folder / "link").is_symlink():
        (folder / "link").symlink_to(folder / "nas.db")
        os.mkfifo(folder / "pipe")
    code, out = command(*words.replace("nnnn", "n" * 300).split())
    assert (code, len(out.splitlines())) == (2, 1), out
    assert said in out
    assert (folder / "link").is_symlink()
    assert (folder / "pipe").is_fifo()


# -- passwords ---------------------------------------------------------------------------------------------

# without the letters of which messages are made
SECRET = st.text(
    st.characters(
        codec="utf-8", exclude_categories=["Cs", "Cc", "Z"], exclude_characters="%'\"\\-" + ascii_lowercase
    ),
    min_size=6,
    max_size=16,
).map(lambda text: f"q{text}z")

URLS = (
    "postgresql://me:{}@127.0.0.1:1/nas",
    " postgresql://me:{}@127.0.0.1:1/nas",
    "postgresql://me:{}@127.0.0.1:notaport/nas",
    "postgresql:/me:{}@127.0.0.1/nas",
    "me:{}@127.0.0.1/nas",
    "sqlite://me:{}@127.0.0.1/nas.db",
    "sqlite:///me:{}@127.0.0.1/nas.db",
    "sqlite://me:{}@",
    "nosuch://me:{}@127.0.0.1/nas",
    "postgresql://127.0.0.1:1/nas?password={}",
    "postgresql://127.0.0.1:1/nas?pass%77ord={}",
)

WITH_STORE = (
    "leaderboard --store",
    "show 3fa9 --store",
    "export 3fa9 --to out --store",
    "report --html out.html --store",
    "list searches --store",
    "status --store",
    "store tag x y --store",
    "store note x y --store",
    "store delete x --yes --store",
    "store vacuum --store",
    "store copy nas.db",
    "store export out --store",
    "store import parquet --store",
    "resume x --store",
    "extend x --trials +1 --store",
    "ensemble --store",
    "compare --store",
    "retrain --top 1 --store",
    "search --executor inline --trials 1 --store",
    "search --executor inline --trials 1 --checkpoints",
    "search --trials 1 --from",
    "search --problem",
    "show",
    "list",
    "status nosuch --address",
    "submit --address",
    "submit --address http://127.0.0.1:1 --store",
    "submit --address http://127.0.0.1:1 --track",
    "submit --address http://127.0.0.1:1 --checkpoints",
    "submit --address http://127.0.0.1:1 --name",
    "resume x --address http://127.0.0.1:1 --store",
    "leaderboard --nosuch",
    "search --space",
)


def hides(said: str, secret: str, others: str) -> bool:
    """Whether no five characters of a password in a row are there, but for those that others have, too."""
    return not any(
        secret[at : at + 5] in said for at in range(len(secret) - 4) if secret[at : at + 5] not in others
    )


@pytest.mark.slow
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(WITH_STORE), st.sampled_from(URLS), SECRET, st.booleans())
def test_no_command_prints_a_password(folder: Path, words: str, url: str, secret: str, encoded: bool) -> None:
    written = quote(secret, safe="") if encoded else secret
    code, said = command(*words.split(), url.format(written))
    assert code == 2
    assert hides(said, secret, words + url), said
    assert hides(said, written, words + url), said


@settings(max_examples=200)
@given(
    st.sampled_from(
        ["store", "track", "checkpoints", "problem", "folder", "from_", "limit", "name", "subject"]
    ),
    st.sampled_from([*URLS, "mlflow:https://me:{}@h:5000", "https://{}@h/x", "git+ssh://me:{}@h/x.git@v1"]),
    SECRET,
)
def test_no_job_has_a_password(option: str, url: str, secret: str) -> None:
    def refused(password: str) -> str:
        given = url.format(quote(password, safe=""))
        options = {option: [given]} if option not in ("store", "name", "subject") else {}
        more = {option: given} if option in ("store", "name") else {}
        with pytest.raises(NasError) as error:
            cluster_job("resume", given if option == "subject" else None, options, **more)
        return str(error.value)

    # what is said of any password may have letters in common with this one
    others = url + refused("0" * 8)
    assert hides(refused(secret), secret, others)
    assert hides(refused(secret), quote(secret, safe=""), others)


@given(st.sampled_from(["ftp://me:{}@h/x", "s3://me:{}@bucket", "memory://x?secret_key={}"]), SECRET)
@settings(max_examples=30)
def test_no_store_keeps_a_password_of_a_place_for_checkpoints(uri: str, secret: str) -> None:
    with Store("sqlite://", create=True) as store:
        with pytest.raises(SearchError, match="the store keeps it") as error:
            Search(
                mlp(), "digits", "random", checkpoints=uri.format(quote(secret, safe="")), store=store
            ).run()
        assert hides(str(error.value), secret, uri)
        assert not store.searches()
