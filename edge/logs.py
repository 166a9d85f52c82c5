"""Structured logs to standard error, and no token in any of them.

uvicorn logs the whole URL of each WebSocket, with the token in it, from the logger that also
reports errors. Whatever is written, by whom ever, passes the same formatter.
"""

import logging
import re
import sys
from typing import Final

import structlog

_SECRETS: Final = re.compile(
    r"""
    (?<=/ws\?|sse\?) [^\s"\\]+                   # a whole query: a token may hide in any encoding
    | (?<=token=) [^\s"&\\]+
    | (?<=auth\.) [\w-]{16,}                     # the subprotocol's form
    | \beyJ [\w-]* \. [\w.-]+                    # a JWT, wherever it comes from
    """,
    re.VERBOSE,
)


def redact(text: str) -> str:
    """Take tokens out of a line."""
    return _SECRETS.sub("[redacted]", text)


class RedactingFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats any record, ours or a library's, and redacts what comes out."""

    def format(self, record: logging.LogRecord) -> str:
        """One redacted line, or more for a traceback."""
        return redact(super().format(record))


def configure(log_format: str, level: str) -> None:
    """Send every log of the process to standard error.

    Args:
        log_format: ``json`` or ``pretty``.
        level: of the edge's own logs. Libraries stay at INFO or above: at DEBUG the WebSocket
            library writes every frame out.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: structlog.types.Processor
    if log_format == "json":
        shared.append(structlog.processors.format_exc_info)
        last = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        last = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        RedactingFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.INFO, logging.getLevelName(level)))
    logging.getLogger("edge").setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(root.level)
