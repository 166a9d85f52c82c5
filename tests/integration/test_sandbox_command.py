"""The command line of the sandbox."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.running_sandbox import RunningSandbox

ROOT = Path(__file__).parents[2]


def run(*options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "engine.sandbox", *options],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_help_teaches_how_to_begin():
    done = run("--help")
    assert done.returncode == 0
    for word in ("SNS_INSTAGRAM_BASE_URL", "sandbox-token-", "/sandbox/faults", "SNS_SANDBOX_PORT"):
        assert word in done.stdout


def test_port_that_is_taken_is_one_line_and_exit_code_1(sandbox):
    done = run("--port", str(httpx.URL(sandbox.base_url).port))
    assert done.returncode == 1
    assert done.stderr.startswith("cannot listen on 127.0.0.1:")
    assert done.stderr.count("\n") == 1


def test_environment_stands_in_for_options():
    done = run(SNS_SANDBOX_PORT="a lot")
    assert done.returncode == 2
    assert "--port" in done.stderr


def test_options_are_what_a_reset_returns_to():
    options = ("--answer-ms", "7", "--no-fetch-media", "--no-auto-accounts", "--publish-quota", "3")
    with RunningSandbox(*options, "--container-ready-s", "0") as running:
        running.switch(answer_ms=0, fetch_media=True)
        running.reset()
        switches = running.ask("GET", "/sandbox/switches")
    assert (switches["answer_ms"], switches["fetch_media"]) == (7, False)
    assert (switches["auto_accounts"], switches["publish_quota"]) == (False, 3)
    assert switches["container_ready_s"] == 0


def test_sandbox_ends_at_once_when_told_to_even_with_a_stalled_request():
    with RunningSandbox("--no-fetch-media") as running:
        running.fault("stall", carry_out=0)
        address = httpx.URL(running.base_url)
        with socket.create_connection((address.host, address.port)) as connection:
            connection.sendall(b"GET /v25.0/1/media HTTP/1.1\r\nHost: x\r\n\r\n")
            deadline = time.monotonic() + 5
            while not running.applied_faults():
                assert time.monotonic() < deadline
            said = running.stop()
    assert "Traceback" not in said
