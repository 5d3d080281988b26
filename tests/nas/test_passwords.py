"""Passwords in URLs: none is shown, none is taken for something else."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.commands.output.tables import print_rows
from nas.commands.saying import say, say_lines
from nas.passwords import has_password, passwords_of, refuse_passwords, without_password, without_passwords
from nas.reports.page import page
from search_spaces.errors import SearchError

SECRET = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Z"], exclude_characters="%'\""),
    min_size=4,
    max_size=20,
).map(lambda text: f"geh{text}")  # no part of the other words of a URL

FORMS = (
    "postgresql://me:{}@db/nas",
    " postgresql://me:{}@db:5432/nas",
    "postgresql://me:{}@db:notaport/nas",
    "postgresql:/me:{}@db/nas",
    "me:{}@db/nas",
    "me@corp.example:{}@db/nas",
    "redis://:{}@db",
    "mlflow:https://me:{}@track.example:5000",
    "simplecache::ftp://me:{}@db/folder",
    "git+ssh://me:{}@example.org/it.git@v1",
    "it @ git+https://me:{}@example.org:8443/it.git@v1",
)

SETTINGS = (
    "postgresql://db:5432/nas?password={}",
    "s3://bucket/x?user=me&secret_key={}&more=1",
    "host=db pwd={}",
)


def hides(shown: str, secret: str, form: str) -> bool:
    """Whether no four characters of a secret in a row are left, but for those that stand around it, too."""
    parts = {secret[at : at + 4] for at in range(len(secret) - 3)}
    return not any(part in shown for part in parts if part not in f"{form} store it does not answer to ")


@given(st.sampled_from(FORMS), SECRET)
def test_no_part_of_a_password_is_shown(form: str, secret: str) -> None:
    for url in (form.format(secret), form.format(quote(secret, safe=""))):
        assert hides(without_password(url), secret, form), without_password(url)
        assert hides(without_password(url), quote(secret, safe=""), form)
        assert has_password(url)
        assert hides(without_passwords(f"store {url!r}: it does not answer to {secret}", url), secret, form)


@given(st.sampled_from(SETTINGS), SECRET)
def test_no_part_of_a_setting_is_shown(form: str, secret: str) -> None:
    url = form.format(secret)
    assert hides(without_password(url), secret, form)
    assert has_password(url)


@pytest.mark.parametrize(
    "text",
    [
        "nas.db", "/data/run:1@host/nas.db", "sqlite:///nas.db", "sqlite:////a/b:c@d.db", "postgresql://me@db:5432/nas",
        "postgresql://db/nas?passfile=/home/me/.pgpass&connect_timeout=3", "s3://bucket/folder@2",
        "git+ssh://git@github.com/me/it.git@v1.0", "git+ssh://git@github.com:22/me/it.git@v1",
        "it @ git+https://example.org:8443/it.git@v1.0", "git+https://${NAME}:${TOKEN}@example.org/it.git",
        "https://${TOKEN}@example.org/simple", "num_params<=100000",
        "--limit=loss<=1", "tensorboard:runs", "timm==1.0",
        "../data/me@home", "http://head:8265", "signature=Signature({'x': Vector(2)}, {'y': Regression()})",
    ],
)  # fmt: skip
def test_what_has_no_password_stays_and_is_taken(text: str) -> None:
    assert without_password(text) == without_passwords(text) == text
    assert not has_password(text)
    assert not passwords_of(text)


def test_what_is_masked_can_be_recognised() -> None:
    assert without_password("postgresql://me:geheim@db/nas") == "postgresql://me:***@db/nas"
    assert without_password("postgresql://db/nas?password=geheim") == "postgresql://db/nas?password=***"
    assert without_password("https://geheim@example.org/simple") == "https://***@example.org/simple"


@pytest.mark.parametrize(
    "text",
    ["https://geheim@example.org", "postgresql://me%3Ageheim@db/nas", "postgresql://db/nas?pass%77ord=geheim",
     "postgresql%3A%2F%2Fme%3Ageheim%40db%2Fnas"],
)  # fmt: skip
def test_a_password_is_found_behind_its_encoding(text: str) -> None:
    assert has_password(text)
    assert "geheim" not in without_password(text)
    with pytest.raises(SearchError, match="elsewhere") as error:
        refuse_passwords("place", [3, text], "say it elsewhere")
    assert "geheim" not in str(error.value)


def test_what_commands_print_has_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    line = "no answer from postgresql://me:geheim@db/nas"
    say(line)
    say_lines(f"Traceback:\n  {line}")
    assert capsys.readouterr().out.count("postgresql://me:***@db/nas") == 2


@pytest.mark.parametrize("format", ["table", "markdown", "json", "csv"])
def test_what_a_store_says_in_a_cell_has_no_password(capsys: pytest.CaptureFixture[str], format: str) -> None:
    said = "lost postgresql://me:geheim@db/nas, then token=geheim"
    row = {"id": "ab", "message": said, "parents": [said], "decisions": {"a": said}, "score": 0.5}
    print_rows([row], format, f"trials of {said}", ["id", "message"], [["ab", said]], prose=True)
    shown = capsys.readouterr().out
    assert "geheim" not in shown
    assert "me:***@db/nas" in shown.replace("\\*", "*")
    if format == "json":
        assert json.loads(shown)[0]["score"] == 0.5


def test_a_report_has_no_password() -> None:
    said = {"search": {"name": "a"}, "trials": [["postgresql://me:geheim@db/nas", 1.5, None]]}
    shown = page(said)
    assert "geheim" not in shown
    assert "me:***@db/nas" in shown
