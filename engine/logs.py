"""Structured logs of every engine process: one line an event, to stderr, never a secret."""

import logging
import sys

import structlog
from structlog.typing import Processor

# They speak of every request, job or connection at INFO.
_CHATTY = ("httpx", "httpcore", "apscheduler", "alembic")


def configure_logs(*, format_: str, level: str, process: str) -> None:
    """Send our logs and everybody else's through one formatter.

    Args:
        format_: ``json`` or ``pretty``.
        level: a name that :mod:`logging` knows.
        process: said in every line, such as ``worker-critical``.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=True,
    )

    def add_process(_: object, __: str, event: structlog.typing.EventDict) -> dict[str, object]:
        return {"process": process, **event}

    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if format_ == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.processors.format_exc_info],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            add_process,
            renderer,
        ],
    )
    # Not a new stream: under the dramatiq command, sys.stderr is a pipe to its master by now.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
