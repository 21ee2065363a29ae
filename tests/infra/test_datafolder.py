"""One Voltway at a time uses a data folder, and what is secret in it is its owner's."""

import json
import os
import stat
from pathlib import Path

import pytest

from voltway.infra.datafolder import open_data_folder, read_run
from voltway.kernel.errors import NotReady


def test_the_lock_is_exclusive_and_ends_with_its_holder(tmp_path: Path) -> None:
    first = open_data_folder(tmp_path / "state")
    with pytest.raises(NotReady, match=f"another Voltway .pid {os.getpid()}."):
        open_data_folder(tmp_path / "state")
    first.lock.close()
    open_data_folder(tmp_path / "state").lock.close()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotReady, match="cannot be used"):
        open_data_folder(tmp_path / "file")


@pytest.mark.parametrize(("uid", "mode"), [(0, 0o711), (1000, 0o700)])
def test_others_may_not_look_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, uid: int, mode: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    folder = open_data_folder(tmp_path / "state")
    assert stat.S_IMODE(folder.path.stat().st_mode) == mode
    folder.lock.close()


def test_the_admin_token_is_made_once(tmp_path: Path) -> None:
    folder = open_data_folder(tmp_path)
    token, is_new = folder.admin_token("")
    assert is_new
    assert len(token) >= 32
    assert folder.admin_token("") == (token, False)
    assert folder.admin_token("given-by-the-operator") == ("given-by-the-operator", False)
    assert stat.S_IMODE((tmp_path / "admin-token").stat().st_mode) == 0o600
    folder.lock.close()


def test_two_folders_have_two_tokens(tmp_path: Path) -> None:
    folders = [open_data_folder(tmp_path / name) for name in "ab"]
    tokens = {folder.admin_token("")[0] for folder in folders}
    assert len(tokens) == 2
    for folder in folders:
        folder.lock.close()


def test_run_json_is_private_and_read_only_while_it_runs(tmp_path: Path) -> None:
    folder = open_data_folder(tmp_path)
    assert read_run(tmp_path) is None
    folder.write_run({"pids": {"api": os.getpid()}, "version": "1"})
    assert stat.S_IMODE((tmp_path / "run.json").stat().st_mode) == 0o600
    assert read_run(tmp_path) == {"pids": {"api": os.getpid()}, "version": "1"}
    (tmp_path / "run.json").write_text(json.dumps({"pids": {"api": 2**22 + 1}}))
    assert read_run(tmp_path) is None
    folder.remove_run()
    folder.remove_run()
    assert not (tmp_path / "run.json").exists()
    folder.lock.close()


def test_a_killed_start_s_socket_folder_is_removed_by_the_next(tmp_path: Path) -> None:
    folder = open_data_folder(tmp_path)
    first = folder.new_socket_dir()
    second = folder.new_socket_dir()
    assert (first.exists(), second.is_dir()) == (False, True)
    second.rmdir()
    folder.lock.close()
