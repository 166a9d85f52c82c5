"""A sandbox process, and short words for what tests tell it."""

import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self

import httpx

ROOT = Path(__file__).parents[1]


class RunningSandbox:
    """``python -m engine.sandbox`` on a free port.

    Args:
        options: more command line options, such as ``"--answer-ms", "20"``.
    """

    def __init__(self, *options: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "engine.sandbox", "--port", "0", *options],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        line = self._process.stderr.readline()
        found = re.search(r"http://\S+", line)
        if found is None:
            self._process.kill()
            raise RuntimeError(f"the sandbox did not start: {line}{self._process.stderr.read()}")
        self.base_url = found[0]
        self._said: list[str] = []
        # Somebody has to read: a full pipe would stop the sandbox in the middle of a complaint.
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._http = httpx.Client(base_url=self.base_url, trust_env=False, timeout=10)

    @property
    def graph_url(self) -> str:
        """What ``SNS_INSTAGRAM_BASE_URL`` is set to."""
        return f"{self.base_url}/v25.0"

    @property
    def instagram_upload_url(self) -> str:
        """What ``SNS_INSTAGRAM_UPLOAD_URL`` is set to."""
        return f"{self.base_url}/ig-api-upload/v25.0"

    @property
    def facebook_url(self) -> str:
        """What ``SNS_FACEBOOK_BASE_URL`` is set to."""
        return f"{self.base_url}/v26.0"

    @property
    def facebook_upload_url(self) -> str:
        """What ``SNS_FACEBOOK_UPLOAD_URL`` is set to."""
        return f"{self.base_url}/video-upload/v26.0"

    @property
    def threads_url(self) -> str:
        """What ``SNS_THREADS_BASE_URL`` is set to."""
        return f"{self.base_url}/v1.0"

    @property
    def pid(self) -> int:
        return self._process.pid

    @staticmethod
    def token(account: str) -> str:
        """The token that an account has without being asked for."""
        return f"sandbox-token-{account}"

    def picture(self, width: int = 1080, height: int = 1080, seed: str = "a") -> str:
        """The URL of a JPEG that the sandbox serves and can fetch."""
        return f"{self.base_url}/sandbox/media/{width}x{height}/{seed}.jpg"

    def video(
        self, width: int = 360, height: int = 640, seed: str = "a", seconds: float = 5
    ) -> str:
        """The URL of an MP4 that the sandbox serves and can fetch."""
        return f"{self.base_url}/sandbox/media/{width}x{height}/{seed}.mp4?seconds={seconds}"

    def film(self, seconds: int = 3, seed: str = "a") -> str:
        """The URL of an upright MP4 that the sandbox serves and can fetch."""
        return f"{self.base_url}/sandbox/media/180x320/{seed}.mp4?seconds={seconds}"

    def reset(self, **switches: Any) -> None:
        """Begin anew, with these switches."""
        self.ask("POST", "/sandbox/reset")
        if switches:
            self.switch(**switches)

    def switch(self, **switches: Any) -> None:
        self.ask("POST", "/sandbox/switches", switches)

    def add_account(self, account: str, **details: str) -> None:
        self.ask("POST", "/sandbox/accounts", {"id": account, **details})

    def change_token(self, account: str, **details: Any) -> None:
        """``subcode=`` kills the token with an error 190, ``expires_at=`` sets its end."""
        self.ask("POST", f"/sandbox/accounts/{account}/token", details)

    def fault(self, answer: str = "normal", **details: Any) -> int:
        """Plan a fault; the fields are those of ``engine.sandbox.faults.Fault``."""
        return self.ask("POST", "/sandbox/faults", {"answer": answer, **details})["id"]

    def clear_faults(self) -> None:
        self.ask("DELETE", "/sandbox/faults")

    def applied_faults(self) -> list[dict[str, Any]]:
        return self.ask("GET", "/sandbox/faults")["applied"]

    def freeze(self) -> None:
        self.ask("POST", "/sandbox/clock", {"freeze": True})

    def advance(self, seconds: float) -> None:
        self.ask("POST", "/sandbox/clock", {"advance_s": seconds})

    def now(self) -> float:
        """The sandbox's time in unix seconds."""
        return self.ask("GET", "/sandbox/clock")["now"]

    def posts(self, account: str | None = None) -> list[dict[str, Any]]:
        """Everything public, in the order it appeared."""
        query = {} if account is None else {"account": account}
        return self.ask("GET", "/sandbox/truth", query=query)["posts"]

    def hidden(self, account: str | None = None) -> list[dict[str, Any]]:
        """Videos that only their channel has seen, in the order they were uploaded."""
        query = {} if account is None else {"account": account}
        return self.ask("GET", "/sandbox/truth", query=query)["hidden"]

    def requests(self, **filters: str) -> list[dict[str, Any]]:
        """What arrived; filters are ``path``, ``account`` and ``call``."""
        return self.ask("GET", "/sandbox/requests", query=filters)["requests"]

    def ask(
        self, method: str, path: str, body: Any = None, query: dict[str, str] | None = None
    ) -> Any:
        """One control request; a refusal is a broken test."""
        answer = self._http.request(method, path, json=body, params=query)
        if answer.is_error:
            raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def stop(self) -> str:
        """End the process; gives what it wrote to stderr, which is nothing when all was well."""
        self._http.close()
        self._process.terminate()
        self._process.wait(timeout=10)
        self._listener.join(timeout=10)
        self._process.stderr.close()
        return "".join(self._said)

    def _listen(self) -> None:
        for line in self._process.stderr:
            self._said.append(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
