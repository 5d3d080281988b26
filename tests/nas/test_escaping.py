"""Text from outside: each target shows what it says, and does nothing of it."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.escaping import (
    fenced,
    for_csv,
    for_html,
    for_json,
    for_markdown,
    for_path,
    for_terminal,
    one_line,
)

ANY = st.text(
    st.one_of(st.characters(), st.sampled_from("\x1b\x07\x9b\r\n\t\u202e\u2066=+-@|`<>&'\"[]\\/.%"))
)


@given(ANY)
def test_nothing_steers_a_terminal(text: str) -> None:
    shown = for_terminal(text)
    kinds = {unicodedata.category(one) for one in shown if one not in "\n\t\u200c\u200d"}
    assert not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    shown.encode()  # halves of characters could not be written
    assert one_line(text).splitlines() in ([], [one_line(text)])


def test_what_is_hidden_becomes_visible() -> None:
    assert for_terminal("\x1b]52;c;aGk=\x07") == "\\x1b]52;c;aGk=\\x07"
    assert for_terminal("user\u202egpj.exe\r") == "user\\u202egpj.exe\\r"
    assert for_terminal("a\tb\r\nc ☃ 猫 \u200d") == "a\tb\nc ☃ 猫 \u200d"
    assert one_line("a\tb\nc") == "a\\tb\\nc"
    assert for_terminal("\U000e0041") == "\\U000e0041"


@given(ANY)
def test_no_cell_of_a_sheet_is_a_formula(text: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerow([for_csv(text), 1])
    cell = next(csv.reader(io.StringIO(out.getvalue(), newline="")))[0]
    try:
        float(cell)
    except ValueError:
        assert cell.lstrip()[:1] not in ("=", "+", "-", "@") or not cell.strip()


@pytest.mark.parametrize(
    "cell", ["=1+1", "+x", "-x", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", "-1+cmd|' /C calc'!A0"]
)
def test_formulas_are_guarded(cell: str) -> None:
    assert for_csv(cell).startswith("'")


@pytest.mark.parametrize("cell", ["-1.5", "+3e-4", "plain", "", 3, -2.5, None, True, "a=b"])
def test_other_cells_stay(cell: object) -> None:
    assert for_csv(cell) == cell


@given(ANY)
def test_a_cell_of_markdown_stays_one_cell_without_markup(text: str) -> None:
    assert "\n" not in for_markdown(text)
    unescaped = for_markdown(text).replace("\\\\", "")
    assert "|" not in unescaped.replace("\\|", "")
    assert "<" not in for_markdown(text)
    assert "[" not in for_markdown(text).replace("\\\\", "").replace("\\[", "")


@given(ANY)
def test_a_block_of_code_ends_where_it_should(text: str) -> None:
    first, *within, last = fenced(text).split("\n")
    assert first == last
    assert not any(line.lstrip().startswith(first) for line in within)


@given(ANY)
def test_text_in_html_is_text(text: str) -> None:
    found: list[tuple[str, list[tuple[str, str | None]]]] = []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, attrs))

    Reader().feed(f'<p title="{for_html(text)}">{for_html(text)}</p>')
    assert [(tag, [name for name, _ in attributes]) for tag, attributes in found] == [("p", ["title"])]


@given(ANY)
def test_json_in_a_page_says_what_it_said_and_nothing_in_it_hides(text: str) -> None:
    shown = for_json(json.dumps({"name": text}))
    assert not set("<>&\x7f") & set(shown)
    read = json.loads(shown)["name"]
    seen = [one for one in read if ord(one) < 0x10000 and one not in "\u200c\u200d\n\t"]
    assert not any(unicodedata.category(one) in ("Cc", "Cf") for one in seen)
    if text.isprintable():
        assert read == text


@given(ANY | st.sampled_from([".", "..", "../x", "a/b", "猫" * 300, "", "/", "~", "a" * 256]))
def test_a_name_is_one_component_of_a_path(tmp_name: str) -> None:
    for safe in ("", " "):
        path = Path("/root") / for_path(tmp_name, safe)
        assert path.parent == Path("/root")
        assert path.name not in ("", ".", "..")
        assert len(path.name.encode()) <= 255


def test_names_that_are_one_stay_and_others_do_not_meet() -> None:
    assert for_path("digits-evolution_1.2") == "digits-evolution_1.2"
    assert for_path("my search", safe=" ") == "my search"
    names = [".", "..", "%2E", "a/b", "a%2Fb", "猫" * 100, "猫" * 101, "a" * 300, "a" * 301]
    assert len({for_path(name) for name in names}) == len(names)
