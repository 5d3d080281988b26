"""Which installed packages a submitted search needs for its names, and at which versions."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from controllers import catalog as controllers
from nas.integrations.names import catalog as trackers
from search_spaces.catalog import catalog as spaces
from search_spaces.errors import SearchError
from search_spaces.plugins import LAYERS, Catalog, offers
from workers.executors import catalog as executors
from workers.problems import catalog as problems

_CATALOGS: Mapping[str, Catalog[Any]] = {
    "controller": controllers,
    "problem": problems,
    "space": spaces,
    "executor": executors,
    "track": trackers,
}
"""The catalogs by the option of a search that holds their names."""

_GROUPS = (*(catalog.group for catalog in _CATALOGS.values()), LAYERS)


def pins_of(options: Mapping[str, Any], file: Path | None, requirements: Path | None) -> list[str]:
    """What pip must install on a cluster so that the names of a search mean there what they mean here.

    A name that an option gives counts; so does one that a Python file holds as a text, and what it imports.

    Args:
        options: the options of the search, by name.
        file: the Python file that describes it, if any.
        requirements: what pip is to install there anyway; a package that it names is not pinned again.

    Returns:
        Requirements such as ``my-package==1.2``.

    Raises:
        SearchError: a package cannot be had by its name and version: it was installed from a folder.
    """
    needed = {dist.name: dist for dist in (*_named(options), *(() if file is None else _held(file)))}
    told = set() if requirements is None else set(_told(requirements))
    return [
        _requirement(dist) for name, dist in sorted(needed.items()) if canonicalize_name(name) not in told
    ]


def _named(options: Mapping[str, Any]) -> Iterator[Distribution]:
    """Yields the packages of the plug-ins that the options name."""
    for option, catalog in _CATALOGS.items():
        given = options.get(option)
        for one in given if isinstance(given, list) else [given]:
            yield from _origin(catalog, str(one))


def _held(file: Path) -> Iterator[Distribution]:
    """Yields the packages of the plug-ins that a Python file imports or names; the file is not run."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, ValueError, SyntaxError):
        return  # the search says what is wrong with it
    tops: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for catalog in _CATALOGS.values():
                yield from _origin(catalog, node.value)
        elif isinstance(node, ast.Import):
            tops |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            tops.add(node.module.partition(".")[0])
    for points in (points for group in _GROUPS for points in offers(group).values()):
        yield from (one.dist for one in points if one.dist and one.module.partition(".")[0] in tops)


def _origin(catalog: Catalog[Any], text: str) -> Iterator[Distribution]:
    """Yields the package of the plug-in that a text names, alone or before a colon, if it names one."""
    dist = catalog.origin(text.partition(":")[0])
    if dist is not None:
        yield dist


def _told(requirements: Path) -> Iterator[str]:
    """The names of the packages that a requirements file names."""
    for line in requirements.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", line):
            yield canonicalize_name(match[1])


def _requirement(dist: Distribution) -> str:
    """The requirement that gives this distribution, wherever it was installed from (PEP 610)."""
    origin = json.loads(dist.read_text("direct_url.json") or "null")
    if not origin:
        return f"{dist.name}=={dist.version}"
    url, vcs = str(origin.get("url", "")), origin.get("vcs_info")
    if vcs and not url.startswith("file:"):
        return f"{dist.name} @ {vcs['vcs']}+{url}@{vcs['commit_id']}"
    if "archive_info" in origin and url.startswith("https:"):
        return f"{dist.name} @ {url}"
    raise SearchError(
        f"{dist.name} {dist.version}, which this search uses, was installed from {url or 'a folder'}: the "
        "cluster cannot install that. Name it in requirements.txt as pip can find it there (a "
        "name and version, or a URL)"
    )
