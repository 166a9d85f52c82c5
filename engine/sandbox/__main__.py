"""``python -m engine.sandbox``: start the platform double and say where it listens."""

import argparse
import os
import socket
import sys

import uvicorn

from engine.sandbox.app import Sandbox
from engine.sandbox.switches import Switches
from engine.sandbox.wire import WireProtocol

EXAMPLE = """
example:
  python -m engine.sandbox --port 8090 --answer-ms 20
  then set SNS_INSTAGRAM_BASE_URL=http://127.0.0.1:8090/v25.0
           SNS_INSTAGRAM_UPLOAD_URL=http://127.0.0.1:8090/ig-api-upload/v25.0
           SNS_FACEBOOK_BASE_URL=http://127.0.0.1:8090/v26.0
           SNS_FACEBOOK_UPLOAD_URL=http://127.0.0.1:8090/video-upload/v26.0
           SNS_THREADS_BASE_URL=http://127.0.0.1:8090/v1.0
           SNS_YOUTUBE_BASE_URL=http://127.0.0.1:8090/youtube/v3
           SNS_YOUTUBE_UPLOAD_URL=http://127.0.0.1:8090/upload/youtube/v3
           SNS_YOUTUBE_ANALYTICS_URL=http://127.0.0.1:8090/v2
           SNS_YOUTUBE_WATCH_URL=http://127.0.0.1:8090/watch
           SNS_GOOGLE_TOKEN_URL=http://127.0.0.1:8090/token
           SNS_MEDIA_ALLOW_PRIVATE=True
  An account exists as soon as it is used: the token of 17841400000000001
  is sandbox-token-17841400000000001, on every platform.

instead of the platforms' hosts:
  /v25.0/  graph.instagram.com        /ig-api-upload/v25.0/  rupload.facebook.com
  /v26.0/  graph.facebook.com         /video-upload/v26.0/   the upload_url of a reel
  /v1.0/   graph.threads.net          /youtube/v3/, /upload/youtube/v3/, /token  Google's

beside the imitated paths:
  GET  /sandbox/truth      ?account=&since=        what everybody sees, and when it arrived
  GET  /sandbox/requests   ?path=&account=&call=   what came in, answered or not
  POST /sandbox/faults     {"call": "publish", "answer": "close", "carry_out": 1}
  POST /sandbox/switches   {"publish_quota": 2}; GET lists them all
  POST /sandbox/clock      {"freeze": true, "advance_s": 86400}
  POST /sandbox/accounts   {"id": "1", "username": "cafe", "token": "own"}
  POST /sandbox/accounts/1/token   {"subcode": 460, "expires_at": null}
  POST /sandbox/reset      begins anew
  GET  /sandbox/media/1080x1080/any.jpg, /sandbox/media/720x1280/any.mp4?seconds=5
  GET  /p/<shortcode>/, /watch?v=<id>, /healthz, /metrics

Every option may come from the environment instead: SNS_SANDBOX_PORT, SNS_SANDBOX_ANSWER_MS, ...
"""


class AnnouncedServer(uvicorn.Server):
    """A server that prints its address once it takes connections."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then say so on stderr in one line."""
        await super().startup(sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            sys.stderr.write(f"sandbox listening on http://{host}:{port}\n")
            sys.stderr.flush()


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    given = _parser().parse_args(arguments)
    switches = Switches(
        answer_ms=given.answer_ms,
        container_ready_s=given.container_ready_s,
        fetch_media=given.fetch_media,
        auto_accounts=given.auto_accounts,
        publish_quota=given.publish_quota,
    )
    listener = socket.socket(socket.AF_INET6 if ":" in given.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((given.host, given.port))
    except OSError as error:
        sys.stderr.write(f"cannot listen on {given.host}:{given.port}: {error.strerror}\n")
        return 1
    config = uvicorn.Config(
        Sandbox(switches),
        http=WireProtocol,
        ws="none",
        loop="uvloop",
        lifespan="on",
        log_level="warning",
        access_log=False,  # it would print tokens given in a query
        server_header=False,
        timeout_keep_alive=given.idle_s,
        timeout_graceful_shutdown=1,  # stalled requests never end by themselves
    )
    AnnouncedServer(config).run(sockets=[listener])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m engine.sandbox",
        description="Imitates the platforms over real HTTP, with everything in memory.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def option(name: str, kind: type, default: object, text: str) -> None:
        value = os.environ.get("SNS_SANDBOX_" + name.upper().replace("-", "_"))
        parser.add_argument(
            f"--{name}",
            type=kind,
            default=default if value is None else value,
            help=f"{text} (default: {default})",
        )

    def switch(name: str, text: str) -> None:
        value = os.environ.get("SNS_SANDBOX_" + name.upper().replace("-", "_"), "1")
        parser.add_argument(
            f"--{name}",
            action=argparse.BooleanOptionalAction,
            default=value.lower() not in ("0", "false", "no", "off"),
            help=text,
        )

    option("host", str, "127.0.0.1", "address to listen on")
    option("port", int, 8090, "port to listen on; 0 takes a free one")
    option("answer-ms", float, 0.0, "milliseconds from carrying out a request to its answer")
    option("container-ready-s", float, 0.3, "seconds until a container is ready")
    option("publish-quota", int, 100, "posts of one account in a rolling day")
    option("idle-s", int, 75, "seconds until an idle connection is closed")
    switch("fetch-media", "fetch and check pictures and videos, as the platform does")
    switch("auto-accounts", "let an account exist as soon as its sandbox token is used")
    return parser


if __name__ == "__main__":
    sys.exit(main())
