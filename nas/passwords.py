"""Passwords in URLs: masked in what is shown, refused in what others could read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from search_spaces.errors import SearchError

MASK = "***"
"""What stands in place of a password."""

_LEAST = 4  # characters of a password that is looked for by itself: a shorter one is a part of any text

_SECRET_KEY = re.compile(
    r"(password|passwd|passphrase|pwd|secret|credentials?|signature|security[-_]?token"
    r"|(api|access|account|private|secret)[-_]?key|(^|[-_.])(token|pass|sig))$",
    re.IGNORECASE,
)
_SETTING = re.compile(r"(?P<key>[\w%.\-]+)=(?=\S)(?!Signature\()")  # which is the argument of a problem
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][\w+.\-]*:/+)(?P<rest>.*)", re.DOTALL)
_IN_TEXT = re.compile(r"(?:[^\s'\"()<>\[\]{}:/,]+:/+|[^\s'\"]+=)\S*[^\s:;,.()\[\]{}'\"]")
_FROM_ENVIRONMENT = re.compile(r"\$\{\w+\}(:\$\{\w+\})?")
_REPOSITORY = re.compile(
    r"[\w.\-]*:\d{1,5}/[^@]*\.git@[^@:]*"
)  # a tag after a path, not a name before a host


def without_password(url: object) -> str:
    """Returns a URL as it may be shown: with ``***`` in place of its password, if it has one.

    A URL that is written wrongly is masked, too: rather more of it than its password than less. What else
    names a store, such as a path, stays as it is.
    """
    text, secrets = str(url), [*_secrets(str(url))]
    if secrets:
        for start, end in sorted(secrets, reverse=True):
            text = text[:start] + MASK + text[end:]
        return text
    if any(True for _ in _secrets(unquote(text))):  # it hides its signs, too
        scheme = _SCHEME.search(text)
        return f"{'' if scheme is None else text[: scheme.start('rest')]}{MASK}"
    return text


def without_passwords(text: object, *urls: object) -> str:
    """Returns a message as it may be shown: with ``***`` in place of every password in it.

    Args:
        text: the message.
        urls: the URLs that it may be about: their passwords are masked by themselves, too.
    """
    shown = str(text)
    for url in urls:
        for secret in passwords_of(url):
            shown = shown.replace(secret, MASK).replace(repr(secret)[1:-1], MASK)
    if "=" not in shown and ":/" not in shown:
        return shown  # as almost every cell of a table
    return _IN_TEXT.sub(lambda match: without_password(match[0]), shown)


def masked(data: Any) -> Any:
    """Returns plain data as they may be shown: with ``***`` in place of every password in their texts."""
    if isinstance(data, str):
        return without_passwords(data)
    if isinstance(data, Mapping):
        return {name: masked(value) for name, value in data.items()}
    return [masked(one) for one in data] if isinstance(data, list | tuple) else data


def passwords_of(url: object) -> list[str]:
    """Returns the passwords in a URL, as they are written and as they are meant, the longest first."""
    text = str(url)
    written = {text[start:end] for start, end in _secrets(text)}
    written |= {unquote(text)[start:end] for start, end in _secrets(unquote(text))}
    # others may take it apart in another way
    parts = {part for secret in written for part in (secret, *re.split(r"[@/:?#&;]", secret))}
    parts |= {secret[: at.start()] for secret in written for at in re.finditer("@", secret)}
    found = {form for part in parts for form in (part, unquote(part)) if len(form) >= _LEAST}
    return sorted(found, key=len, reverse=True)


def has_password(text: object) -> bool:
    """Whether a text has a URL with a password, a token or a key in it, be it encoded."""
    forms = {str(text), unquote(str(text)), unquote(unquote(str(text)))}
    return any(
        not _FROM_ENVIRONMENT.fullmatch(form[start:end]) for form in forms for start, end in _secrets(form)
    )


def refuse_passwords(what: str, values: Iterable[object], instead: str) -> None:
    """Checks that none of some values has a password in it.

    Args:
        what: the name of what they are, for the message.
        values: the values; those that are no texts have none.
        instead: what to do in place of it, for the message.

    Raises:
        SearchError: one has.
    """
    for value in values:
        if isinstance(value, str) and has_password(value):
            raise SearchError(f"{what} {without_password(value)!r}: {instead}")


def _secrets(text: str) -> Iterator[tuple[int, int]]:
    """Yields where the passwords of a URL begin and end, none within another."""
    end = len(text)
    for setting in _SETTING.finditer(text):
        if _SECRET_KEY.search(unquote(setting["key"])):
            end = setting.end()
            yield end, len(text)  # what follows could be a part of it
            break
    match = _SCHEME.search(text)
    if match is None:  # a path, or a URL whose beginning was left out
        if re.match(r"\s*(?![/.~])[^\s/:]+:[^@]*@", text[:end]):
            yield text.index(":") + 1, text.rindex("@", 0, end)
        return
    start = match.start("rest")
    rest = text[start:end]
    authority = re.split(r"[/?#\s]", rest, maxsplit=1)[0]
    last = rest.rfind("@")
    user, at, host = authority.rpartition("@")
    port = (host if at else authority).rpartition(":")
    if ":" in user:
        if not _FROM_ENVIRONMENT.fullmatch(user):
            yield start + user.index(":") + 1, start + last
    elif at and match["scheme"].startswith(("http", "git+http", "hg+http", "svn+http", "bzr+http")):
        if user and not _FROM_ENVIRONMENT.fullmatch(user):
            yield start, start + len(user)  # a name alone is a token there
    elif last > len(user) and port[1] and not (at and port[2].isdigit()) and not _REPOSITORY.match(rest):
        yield start + rest.index(":") + 1, start + last
