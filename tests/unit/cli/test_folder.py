"""The stack's folder: its secrets, its lock, its sockets."""

import stat
from pathlib import Path

import pytest

from engine.cli.faults import CommandFailed
from engine.cli.folder import Folder
from engine.settings import Settings


def test_secrets_are_made_once_kept_and_readable_by_the_owner_only(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path)
    made = folder.secrets()
    assert folder.secrets() == made
    assert stat.S_IMODE(folder.secrets_file.stat().st_mode) == 0o600
    Settings.load(made)  # complete and valid


def test_what_a_start_wrote_is_read_back(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path)
    folder.write_addresses({"SNS_REDIS_URL": "redis://127.0.0.1:1/0"})
    folder.write_addresses({"SNS_REDIS_URL": "redis://127.0.0.1:2/0"})
    assert folder.settings() == {"SNS_REDIS_URL": "redis://127.0.0.1:2/0"}


def test_a_second_holder_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path)
    with folder.lock():
        assert folder.is_locked()
        with pytest.raises(CommandFailed, match=r"already running on .*Ctrl-C"), folder.lock():
            pass
    assert not folder.is_locked()
    with folder.lock():
        pass


def test_a_folder_that_was_never_used_is_not_locked(tmp_path: Path) -> None:
    assert not Folder.at(tmp_path / "new").is_locked()
    assert Folder.at(tmp_path / "new").settings() == {}


def test_sockets_move_to_the_temporary_folder_when_the_path_is_long(tmp_path: Path) -> None:
    short, long = Folder(Path("/srv/var")), Folder(tmp_path / ("x" * 90))
    assert short.run == Path("/srv/var/run")
    assert len(str(long.run)) < 60
    assert long.run == Folder(long.root).run
    assert long.run != Folder(long.root / "other").run


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandFailed, match=r"cannot write to .*--data"):
        Folder.at(tmp_path / "file" / "var").prepare()
