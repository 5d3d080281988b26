"""A trial's folder: only whole checkpoints, only the latest, on any storage."""

import os
import resource
from pathlib import Path

import fsspec
import pytest

from search_spaces.errors import ExecutorError, FormatError
from workers.trial.checkpoint_folder import CheckpointFolder, SavedWeights


@pytest.fixture(params=["path", "file", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> CheckpointFolder:
    uris = {
        "path": f"{tmp_path}/trials/3/",
        "file": f"file://{tmp_path}/trials/3",
        "memory": f"memory://{tmp_path}/3",
    }
    return CheckpointFolder(uris[request.param])


def names(folder: CheckpointFolder) -> list[str]:
    files, path = fsspec.core.url_to_fs(folder.uri)
    return sorted(name.rsplit("/", 1)[-1] for name in files.ls(path, detail=False))


def test_a_folder_gives_back_the_latest_checkpoint_and_keeps_no_other(folder: CheckpointFolder) -> None:
    assert folder.saved() == []
    folder.save(1, b"first")
    saved = folder.save(12, b"second")
    assert saved.state.read() == b"second"
    assert CheckpointFolder(folder.uri).saved() == [saved]
    assert names(folder) == ["epoch-12.safetensors"]


def test_the_same_epoch_may_be_saved_again(folder: CheckpointFolder) -> None:
    folder.save(3, b"once")
    assert folder.save(3, b"twice").state.read() == b"twice"
    assert names(folder) == ["epoch-3.safetensors"]


def test_what_a_crash_leaves_half_written_is_never_read_and_cleared_away(folder: CheckpointFolder) -> None:
    folder.save(1, b"whole")
    files, path = fsspec.core.url_to_fs(folder.uri)
    files.pipe_file(f"{path}/epoch-2.safetensors.0123abcd.part", b"ha")
    assert [checkpoint.epoch for checkpoint in folder.saved()] == [1]
    assert names(folder) == ["epoch-1.safetensors"]


def test_checkpoints_of_later_epochs_come_first_and_stay_until_their_epoch_is_saved(
    folder: CheckpointFolder,
) -> None:
    folder.save(10, b"of another trial")
    folder.save(9, b"own")
    assert [checkpoint.epoch for checkpoint in folder.saved()] == [10, 9]


def test_a_removed_folder_is_gone_and_may_be_removed_again(folder: CheckpointFolder) -> None:
    folder.save(1, b"data")
    (checkpoint,) = folder.saved()
    folder.remove()
    folder.remove()
    assert folder.saved() == []
    with pytest.raises(ExecutorError, match=r"epoch-1\.safetensors cannot be read: FileNotFoundError"):
        checkpoint.state.read()


def test_a_path_means_the_same_in_another_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = CheckpointFolder("here").save(1, b"data")
    monkeypatch.chdir("/")
    assert checkpoint.state.read() == b"data"


@pytest.mark.parametrize("uri", ["no-such-protocol://bucket/trial", "/dev/null/trial"])
def test_a_storage_that_cannot_be_used_says_so(uri: str) -> None:
    with pytest.raises(ExecutorError, match=f"{uri}: the checkpoint of epoch 1 cannot be saved: "):
        CheckpointFolder(uri).save(1, b"data")


def test_a_save_that_breaks_off_leaves_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    folder = CheckpointFolder(str(tmp_path))
    folder.save(1, b"before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, before[1]))
    try:
        with pytest.raises(ExecutorError, match="epoch 2 cannot be saved: OSError"):
            folder.save(2, bytes(1_000_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(folder) == ["epoch-1.safetensors"]


@pytest.mark.parametrize("kind", ["pipe", "endless", "folder"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "epoch-1.safetensors"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    (found,) = CheckpointFolder(str(tmp_path)).saved()
    with pytest.raises(FormatError, match="expected a file, and it is none"):
        found.state.read()


def test_no_more_bytes_are_read_than_there_can_be(folder: CheckpointFolder) -> None:
    state = folder.save(1, b"12345").state
    assert isinstance(state, SavedWeights)
    assert state.read(5) == b"12345"
    with pytest.raises(FormatError, match="expected 4 bytes at the most, got more"):
        state.read(4)
