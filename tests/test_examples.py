"""What the README and the examples show runs as it stands."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def _run(*command: str, folder: Path, timeout: float = 240) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_controller_driven_by_hand_finds_a_good_thing(tmp_path: Path) -> None:
    out = _run(str(ROOT / "examples" / "ask_and_tell.py"), folder=tmp_path)
    assert float(out.split()[0]) > 2.8  # 3.0 is the best there is


@pytest.mark.end_to_end
@pytest.mark.soak
def test_a_file_with_a_module_and_data_of_ones_own_is_searched_on_workers(tmp_path: Path) -> None:
    file = str(ROOT / "examples" / "my_search.py")
    out = _run("-m", "nas.cli", "search", file, "--trials", "4", "--workers", "2", folder=tmp_path)
    assert "4 trials are done" in out
    out = _run("-m", "nas.cli", "resume", file, "--trials", "6", "--workers", "2", folder=tmp_path)
    assert "6 trials are done" in out
    rows = json.loads(_run("-m", "nas.cli", "leaderboard", "--format", "json", folder=tmp_path))
    own = next(row["id"] for row in rows if row["status"] == "complete")
    _run("-m", "nas.cli", "export", own, "--to", "best", "--file", file, folder=tmp_path)
    assert own in _run("-m", "nas.cli", "show", "best", "--file", file, folder=tmp_path)


@pytest.mark.end_to_end
def test_two_modalities_and_two_tasks_with_gaps_in_both_are_searched_and_drawn(tmp_path: Path) -> None:
    file = str(ROOT / "examples" / "multimodal.py")
    out = _run(
        "-m", "nas.cli", "search", file, "--trials", "3", "--executor", "inline", folder=tmp_path
    )  # fmt: skip
    assert "3 trials are done" in out
    rows = json.loads(_run("-m", "nas.cli", "leaderboard", "--format", "json", folder=tmp_path))
    assert {"score", "worst", "grower.accuracy", "test_alcohol.r2"} <= rows[0].keys()
    picture = _run("-m", "nas.cli", "show", "best", folder=tmp_path)
    assert rows[0]["id"] in picture
    for line in ("stream laboratory", "stream eye", "link 1", "head grower", "head alcohol"):
        assert line in picture


@pytest.mark.soak
@pytest.mark.end_to_end
def test_a_space_and_a_controller_go_into_a_script_of_ray_tune(tmp_path: Path) -> None:
    out = _run(str(ROOT / "examples" / "ray_tune.py"), "3", "2", folder=tmp_path)
    assert "3 networks were tried" in out


@pytest.mark.end_to_end
def test_the_search_on_the_front_page_runs(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", text, flags=re.S)[0]
    shortened = code.replace("trials=40", "trials=2, epochs=1")
    assert shortened != code
    (tmp_path / "front.py").write_text(shortened, encoding="utf-8")
    assert "accuracy" in _run("front.py", folder=tmp_path)
