"""Where the project does not run, whoever imports it is told so."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

pytestmark = pytest.mark.end_to_end


@pytest.mark.parametrize("package", ["nas", "search_spaces", "workers.problems", "nas.cli"])
@pytest.mark.parametrize(
    ("other", "word"),
    [("platform='win32'", "WSL"), ("maxsize=2**31-1", "32 bits"), ("version_info=(3, 10, 1)", "Python 3.10")],
)
def test_a_platform_that_is_not_supported_is_named_at_import(package: str, other: str, word: str) -> None:
    program = f"import sys, importlib, warnings; sys.{other}\nimport {package}"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "nasforge needs Linux or macOS, 64 bits and Python 3.11 or later" in ended.stderr
    assert word in ended.stderr


@pytest.mark.parametrize(
    "program", ["import nas", "import nas; nas.Search", "from workers.problems import Problem"]
)
@pytest.mark.parametrize("megabytes", [250, 1200])
def test_imports_with_too_little_memory_say_a_word(program: str, megabytes: int) -> None:
    most = megabytes * 10**6
    ended = subprocess.run(
        [sys.executable, "-c", program],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"this process may have {most / 1e9:.1f} GB of address space (ulimit -v)" in ended.stderr
