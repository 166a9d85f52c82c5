"""The processes of one machine, as a configuration of ``supervisord``.

Signals go to a program's own process only (``stopasgroup=false``): dramatiq's workers hang when
the whole group gets SIGTERM. Only a program that outlives its grace period is killed as a group.
"""

import shlex
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from engine.cli.faults import CommandFailed
from engine.cli.folder import Folder
from engine.cli.ports import Ports
from engine.cli.servers import Postgres, Valkey, tethered

SERVERS = "servers"
"""PostgreSQL and Valkey: first up, last down."""

ENGINE = "engine"
"""Everything of ours."""

TIERS = {"critical": 8, "high": 32, "medium": 8, "low": 2}
"""Threads per tier: how many messages of it run at once. High analyses comments, those that run
together in one batch of the model and one commit; its threads only wait."""

PLATFORM_ANSWER_MS = 20  # a platform that answers at once would hide what happens meanwhile

WORKER_GRACE_S = 2  # then unfinished messages go back to their queue
STOP_GRACE_S = 3  # then SIGKILL; with a second of looking at each end it stays below ten


@dataclass(frozen=True)
class Program:
    """One process that is kept running."""

    name: str
    group: str
    command: list[str]
    stop_signal: str = "TERM"
    settles_s: int = 1
    """Up this long counts as started; an end before that backs off, 0 restarts at once."""


def servers(folder: Folder, ports: Ports) -> tuple[Postgres, Valkey]:
    """The two servers of the stack in ``folder``."""
    return (
        Postgres(data=folder.postgres, sockets=folder.run / "postgres"),
        Valkey(data=folder.valkey, port=ports.valkey),
    )


def programs(folder: Folder, ports: Ports) -> list[Program]:
    """Every process of the stack, in the order of their start."""
    postgres, valkey = servers(folder, ports)
    python = sys.executable
    scheduler = find_spec("scheduler")
    if scheduler is None or scheduler.origin is None:
        raise CommandFailed("scheduler.py is missing; install the project again with `make run`")
    return [
        # A server that was killed finds its orphans still running and gives up: try again at once.
        Program("postgres", SERVERS, postgres.command(), stop_signal="INT", settles_s=0),
        Program("valkey", SERVERS, valkey.command(), settles_s=0),
        Program(
            "sandbox",
            ENGINE,
            tethered(
                *("SIGTERM", python, "-m", "engine.sandbox"),
                *("--port", str(ports.sandbox), "--answer-ms", str(PLATFORM_ANSWER_MS)),
            ),
        ),
        *(
            Program(
                tier,
                ENGINE,
                tethered(
                    *("SIGTERM", python, "-m", "dramatiq", f"engine.workers:{tier}"),
                    "--skip-logging",  # the workers set up their own
                    *("--processes", "1", "--threads", str(threads)),
                    # The master looks after its worker only when this is over.
                    *("--worker-fork-timeout", "500"),
                    *("--worker-shutdown-timeout", str(WORKER_GRACE_S * 1000)),
                ),
            )
            for tier, threads in TIERS.items()
        ),
        Program("scheduler", ENGINE, tethered("SIGTERM", python, scheduler.origin)),
        Program("edge", ENGINE, tethered("SIGTERM", python, "-m", "edge")),
    ]


def environment(folder: Folder, ports: Ports) -> dict[str, str]:
    """Where the processes find one another. Holds no secret."""
    postgres, valkey = servers(folder, ports)
    return {
        "SNS_DATABASE_URL": postgres.url("sns"),
        "SNS_REDIS_URL": valkey.url(),
        **sandbox_addresses(f"http://127.0.0.1:{ports.sandbox}"),
        "SNS_MEDIA_ALLOW_PRIVATE": "True",  # the double serves its pictures on loopback
        "SNS_METRICS_PORT_CRITICAL": str(ports.metrics_critical),
        "SNS_METRICS_PORT_HIGH": str(ports.metrics_high),
        "SNS_METRICS_PORT_MEDIUM": str(ports.metrics_medium),
        "SNS_METRICS_PORT_LOW": str(ports.metrics_low),
        "SNS_METRICS_PORT_SCHEDULER": str(ports.metrics_scheduler),
        "SNS_EDGE_HOST": "127.0.0.1",
        "SNS_EDGE_PORT": str(ports.edge),
    }


def configuration(folder: Folder, ports: Ports) -> str:
    """The text of ``supervisord.conf``. Holds no secret: those are in the environment."""
    run, all_programs = folder.run, programs(folder, ports)
    sections = [
        "[supervisord]",
        "nodaemon=true",
        "silent=true",
        "nocleanup=true",
        f"logfile={_escaped(folder.logs / 'supervisord.log')}",
        "logfile_maxbytes=5MB",
        "logfile_backups=1",
        f"pidfile={_escaped(run / 'supervisord.pid')}",
        "",
        "[unix_http_server]",
        f"file={_escaped(run / 'supervisor.sock')}",
        "chmod=0700",
        "",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        "",
    ]
    for priority, group in enumerate((SERVERS, ENGINE), start=1):  # stopped in reverse
        names = ",".join(program.name for program in all_programs if program.group == group)
        sections += [f"[group:{group}]", f"programs={names}", f"priority={priority}", ""]
    for program in all_programs:
        sections += [
            f"[program:{program.name}]",
            f"command={_escaped(shlex.join(program.command))}",
            f"autostart={'true' if program.group == SERVERS else 'false'}",
            "autorestart=true",
            f"startsecs={program.settles_s}",
            "startretries=20",
            f"stopsignal={program.stop_signal}",
            f"stopwaitsecs={STOP_GRACE_S}",
            "stopasgroup=false",
            "killasgroup=true",
            "redirect_stderr=true",
            f"stdout_logfile={_escaped(log_of(folder, program.name))}",
            "stdout_logfile_maxbytes=10MB",
            "stdout_logfile_backups=2",
            "",
        ]
    return "\n".join(sections)


def log_of(folder: Folder, program: str) -> Path:
    """The log of one process."""
    return folder.logs / f"{program}.log"


def _escaped(value: str | Path) -> str:
    return str(value).replace("%", "%%")


def sandbox_addresses(sandbox_url: str) -> dict[str, str]:
    """Every platform's address, and what it knows us by, at the double at ``sandbox_url``."""
    return {
        "SNS_INSTAGRAM_BASE_URL": f"{sandbox_url}/v25.0",
        "SNS_INSTAGRAM_UPLOAD_URL": f"{sandbox_url}/ig-api-upload/v25.0",
        "SNS_FACEBOOK_BASE_URL": f"{sandbox_url}/v26.0",
        "SNS_FACEBOOK_UPLOAD_URL": f"{sandbox_url}/video-upload/v26.0",
        "SNS_THREADS_BASE_URL": f"{sandbox_url}/v1.0",
        "SNS_YOUTUBE_BASE_URL": f"{sandbox_url}/youtube/v3",
        "SNS_YOUTUBE_UPLOAD_URL": f"{sandbox_url}/upload/youtube/v3",
        "SNS_YOUTUBE_ANALYTICS_URL": f"{sandbox_url}/v2",
        "SNS_YOUTUBE_WATCH_URL": f"{sandbox_url}/watch",
        "SNS_GOOGLE_TOKEN_URL": f"{sandbox_url}/token",
        "SNS_GOOGLE_CLIENT_ID": "sandbox",
    }
