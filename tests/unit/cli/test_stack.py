"""The supervisor's configuration."""

import shlex
import socket
from configparser import RawConfigParser
from pathlib import Path

import pytest

from engine.cli.faults import CommandFailed
from engine.cli.folder import Folder
from engine.cli.ports import Ports
from engine.cli.stack import (
    ENGINE,
    SERVERS,
    STOP_GRACE_S,
    WORKER_GRACE_S,
    configuration,
    environment,
    programs,
)
from engine.cli.supervise import STOP_TIMEOUT_S
from engine.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.at(tmp_path / "50% of it")


def parsed(folder: Folder) -> RawConfigParser:
    parser = RawConfigParser()
    parser.read_string(configuration(folder, Ports()))
    return parser


def test_signals_go_to_the_main_process_only_and_kills_to_the_group(folder: Folder) -> None:
    parser = parsed(folder)
    for section in (name for name in parser.sections() if name.startswith("program:")):
        assert parser[section]["stopasgroup"] == "false"
        assert parser[section]["killasgroup"] == "true"
        assert parser[section]["autorestart"] == "true"


def test_every_program_ends_with_the_supervisor_that_started_it(folder: Folder) -> None:
    for program in programs(folder, Ports()):
        assert "tether.py" in " ".join(program.command), program.name


def test_postgres_stops_on_sigint_the_others_on_sigterm(folder: Folder) -> None:
    signals = {program.name: program.stop_signal for program in programs(folder, Ports())}
    assert signals.pop("postgres") == "INT"
    assert set(signals.values()) == {"TERM"}


def test_servers_start_first_and_stop_last(folder: Folder) -> None:
    parser = parsed(folder)
    assert int(parser[f"group:{SERVERS}"]["priority"]) < int(parser[f"group:{ENGINE}"]["priority"])
    assert parser["program:postgres"]["autostart"] == "true"
    assert parser["program:edge"]["autostart"] == "false"


def test_the_graces_fit_into_the_promised_ten_seconds() -> None:
    assert WORKER_GRACE_S < STOP_GRACE_S < STOP_TIMEOUT_S < 10


def test_a_percent_sign_in_the_path_survives(folder: Folder) -> None:
    command = parsed(folder)["program:valkey"]["command"].replace("%%", "%")
    assert shlex.split(command)[-1] == str(folder.valkey / "valkey.conf")


def test_durability_is_never_traded_for_speed(folder: Folder) -> None:
    text = configuration(folder, Ports())
    assert "fsync=off" not in text
    assert "synchronous_commit" not in text


def test_addresses_are_settings_that_the_processes_accept(folder: Folder) -> None:
    Settings.load({**environment(folder, Ports()), **folder_secrets(folder)})


def test_the_configuration_holds_no_secret(folder: Folder) -> None:
    text = configuration(folder, Ports())
    assert not any(secret in text for secret in folder_secrets(folder).values())


def folder_secrets(folder: Folder) -> dict[str, str]:
    folder.root.mkdir(exist_ok=True)
    return folder.secrets()


def test_a_taken_port_is_named_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(CommandFailed, match=rf"port {port} \(edge\).*--ports auto"):
            Ports(edge=port).check()


def test_free_ports_differ() -> None:
    ports = Ports.free()
    ports.check()
    assert len(set(vars(ports).values())) == len(vars(ports))
