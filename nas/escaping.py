"""Text that was not written here, as each target may have it: it does nothing, and shows no password.

One function for each target: `for_terminal` (`one_line` for what has no lines), `for_csv`, `for_markdown`
(`fenced` for lines of code), `for_html`, `for_json` (JSON in a page) and `for_path`.
"""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from typing import Any
from urllib.parse import quote

from nas.passwords import without_passwords

_JOINERS = "\u200c\u200d"
"""Marks that some scripts cannot be written without."""

_MOST_BYTES = 255
"""The most that a file system takes for the name of a file."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_ESCAPE = re.compile(r"\\(u[0-9a-f]{4}|.)")


def for_terminal(text: object) -> str:
    """Returns text with its lines and tabs, in which nothing steers a terminal or hides, and no password is.

    Control characters (those that begin an escape sequence, and carriage returns), marks that turn the
    direction of writing, others that have no width, and halves of characters are shown by their numbers.
    """
    given = without_passwords(text).replace("\r\n", "\n")
    if given.isascii() and given.replace("\n", "").replace("\t", "").isprintable():
        return given
    return "".join(one if one in "\n\t" or not _hidden(one) else _visible(one) for one in given)


def one_line(text: object) -> str:
    """Returns what `for_terminal` does, with ends of lines and tabs made visible, too."""
    return for_terminal(text).replace("\n", "\\n").replace("\t", "\\t")


def for_csv(value: Any) -> Any:
    """Returns a cell in which no spreadsheet sees a formula: a text that begins as one does gets a ``'``."""
    if not isinstance(value, str):
        return value
    text = for_terminal(value)
    first = value.lstrip()[:1] if value[:1] not in "\t\r\n" else value[:1]
    formula = first != "" and first in "=+-@\t\r\n＝＋－＠" and not _NUMBER.fullmatch(value)
    return f"'{text}" if formula else text


def for_markdown(text: object) -> str:
    """Returns text for a line or a cell of Markdown: no markup, no HTML, no end of the cell or the line."""
    shown = for_terminal(text).replace("\n", " ").replace("\t", " ")
    return re.sub(r"([\\`*|\[\]])", r"\\\1", html.escape(shown, quote=False))


def fenced(text: object, language: str = "") -> str:
    """Returns lines as a block of code in Markdown, which may say in what language it is."""
    shown = for_terminal(text)
    longest = max(map(len, re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{shown}\n{fence}"


def for_html(text: object) -> str:
    """Returns text for an element or an attribute of HTML."""
    return html.escape(for_terminal(text))


def for_json(text: str) -> str:
    """Returns JSON, in ASCII, for a script of a page: nothing in it ends the script or hides."""
    shown = _ESCAPE.sub(_shown_in_json, text)
    return (
        shown.replace("&", "\\u0026")
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("\x7f", "\\\\x7f")
    )


def for_path(name: object, safe: str = "") -> str:
    """Returns a name as that of one file or folder: it leads nowhere else, and no file system refuses it.

    A name that is one already stays as it is, others are quoted as in a URL; of a very long one the end is
    replaced by its hash.

    Args:
        name: the name.
        safe: the characters that stay, beside letters, digits and ``_.-~``.
    """
    text = quote(str(name), safe=safe, errors="surrogatepass")
    if text.strip(". ") == "":  # `.`, `..`, and what some systems make of others
        text = text.replace(".", "%2E").replace(" ", "%20") or "%"
    if len(text) <= _MOST_BYTES:
        return text
    digest = hashlib.sha256(str(name).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{text[:200]}-{digest}"


def _hidden(character: str) -> bool:
    kind = unicodedata.category(character)
    return kind in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in _JOINERS


def _visible(character: str) -> str:
    point = ord(character)
    if character in "\r\n\t":
        return {"\r": "\\r", "\n": "\\n", "\t": "\\t"}[character]
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _shown_in_json(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) != 5:
        return f"\\{match[0]}" if escape in "bfr" else match[0]
    character = chr(int(escape[1:], 16))
    paired = unicodedata.category(character) == "Cs"  # with its other half it is a character
    return f"\\{match[0]}" if not paired and _hidden(character) else match[0]
