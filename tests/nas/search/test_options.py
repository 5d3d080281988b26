"""Every option of a search is an argument, documented, kept, and on the command line, or says why not."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import MISSING, Field, fields, replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from nas import Search, maximize
from nas.cli import app
from nas.cluster.job import cluster_job
from nas.commands.options import given_options
from nas.commands.search import check_told_once, search
from nas.description import Budget, Description
from nas.search.options import FLAGS, SearchOptions
from search_spaces.errors import FormatError, SearchError

OPTIONS = {option.name: option for option in fields(SearchOptions)}
ARGUMENTS = inspect.signature(Search).parameters
PARAMETERS = inspect.signature(search, eval_str=True).parameters

each_option = pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)


# -- that it adds up ----------------------------------------------------------------------------------------


@each_option
def test_an_option_is_an_argument_of_a_search_with_its_type_and_default(option: Field[Any]) -> None:
    argument = ARGUMENTS[option.name]
    assert argument.kind is inspect.Parameter.KEYWORD_ONLY
    assert option.default is not MISSING
    assert argument.default == option.default
    assert argument.annotation == option.type


def test_a_search_has_no_arguments_beside_its_options_but_for_space_problem_and_controller() -> None:
    assert list(ARGUMENTS) == ["space", "problem", "controller", *OPTIONS]


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_argument_of_a_search_is_documented(name: str) -> None:
    documented = inspect.getdoc(Search)
    assert documented is not None
    told = documented.partition("Args:\n")[2].partition("Attributes:\n")[0]
    assert re.search(rf"^    {name}: \w", told, re.MULTILINE)


@each_option
def test_an_option_is_kept_in_the_description_or_says_why_not(option: Field[Any]) -> None:
    kept = {one.name for one in (*fields(Description), *fields(Budget))}
    assert (option.name in kept) != bool(option.metadata.get("not_kept"))


@each_option
def test_an_option_has_a_flag_or_says_why_not(option: Field[Any]) -> None:
    assert ("flag" in option.metadata) != bool(option.metadata.get("no_flag"))
    if "flag" in option.metadata:
        name = FLAGS[option.name].name or option.name
        shown = PARAMETERS.get(name) or PARAMETERS[f"{name}_"]
        assert shown.default.help == FLAGS[option.name].help
        assert shown.default.default is None


def test_the_help_of_the_command_shows_every_flag() -> None:
    shown = CliRunner().invoke(app, ["search", "--help"]).output
    for name, flag in FLAGS.items():
        assert f"--{flag.name or name}".replace("_", "-") in shown


# -- what derives from it -----------------------------------------------------------------------------------


def test_what_is_written_on_the_command_line_is_read_as_the_option_means_it() -> None:
    written = {"from_": ["old"], "reuse": True, "trial_memory": 1.5, "seed": 0, "name": None, "other": 3}
    expected = {"start_from": ["old"], "reuse_results": True, "trial_memory": 1_500_000_000, "seed": 0}
    assert given_options(written) == expected


def test_a_job_is_written_as_the_command_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written: dict[str, Any] = {"from_": ["old", "older"], "input_": ["left"], "reuse": True, "trials": 7}
    command = cluster_job("search", None, dict.fromkeys(PARAMETERS) | written, name="mine").command
    read: dict[str, Any] = {}

    def seen(**options: Any) -> None:
        read.update(options)

    seen.__signature__ = inspect.signature(search, eval_str=True)  # type: ignore[attr-defined]
    apart = typer.Typer()
    apart.command()(seen)
    ended = CliRunner().invoke(apart, command[1:])
    assert ended.exit_code == 0, ended.output
    assert {name: value for name, value in read.items() if value} == written | {"name": "mine"}


def test_what_a_file_says_is_named_by_its_flag_where_it_is_said_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("")
    with pytest.raises(SearchError, match=r"^--from, --reuse, --input: say it in .*mine\.py"):
        check_told_once(file, {"from_": ["old"], "input_": ["a"], "reuse": True, "trials": 3})


def test_a_description_is_read_as_it_was_written(make: Any) -> None:
    described = make(seed=3, checkpoint_seconds=7.0, first=[{}]).description
    assert Description.from_dict(json.loads(json.dumps(described.to_dict()))) == described


def test_a_description_of_an_older_version_takes_the_defaults_of_what_it_lacks(make: Any) -> None:
    described = make().description
    with_default = {one.name for one in fields(Description) if one.default is not MISSING}
    assert len(with_default) >= 6
    older = {name: value for name, value in described.to_dict().items() if name not in with_default}
    # nobody knows them afterwards
    unknown = {"older_data": "", "code": None, "standardise": False, "validation_examples": None}
    assert Description.from_dict(older) == replace(described, **unknown)


@pytest.mark.parametrize("lacks", ["space", "problem", "budget", "seed", "metrics"])
def test_a_description_that_lacks_what_no_version_did_is_none(make: Any, lacks: str) -> None:
    data = make().description.to_dict()
    del data[lacks]
    with pytest.raises(FormatError, match="not the description of a search"):
        Description.from_dict(data)


def test_options_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(SearchError, match="reuse_results: not with a fidelity"):
        SearchOptions(reuse_results=True, fidelity="asha")
    with pytest.raises(SearchError, match="inherit_weights: not with reuse_results"):
        SearchOptions(inherit_weights=True, reuse_results=True)
    assert SearchOptions(objectives=maximize("accuracy")).keep_weights == 5
