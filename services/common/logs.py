"""Logs on stderr, as lines for people or as JSON for machines.

A record may carry fields of its own, `logger.info("...", extra={"fields": {"code": "OK"}})`, and has the id
of the request in whose call it was made.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

import grpc

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Id of the request that is being answered; empty outside of a call."""


class TextFormatter(logging.Formatter):
    """One line with time, level, logger and message, then the fields as name=value."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Returns the record's line without its exception."""
        fields = [f"{name}={value}" for name, value in _fields(record).items()]
        return " ".join([super().formatMessage(record), *fields])


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339, UTC), level, logger, message, fields and, if any, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the record as one line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def configure_logging(level: LogLevel, log_format: LogFormat) -> None:
    """Sends every record of at least `level` to stderr, in place of what was configured before.

    Debug records are those of the services alone: gRPC's and asyncio's would bury them. Python's warnings
    become records as well.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level="INFO" if level == "debug" else level.upper(), handlers=[handler], force=True)
    logging.getLogger("services").setLevel(level.upper())
    logging.captureWarnings(True)
    atexit.register(_give_up_what_has_no_room)


def _give_up_what_has_no_room() -> None:
    """Drops what could not be written, which Python would try again at the end, and exit with 120."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def leave_out_lost_connections() -> None:
    """Keeps gRPC from logging a traceback for each caller whose connection breaks at the end of its call.

    The call itself is logged by the services.
    """
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_no_lost_connection)


def _is_no_lost_connection(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, grpc.aio.InternalError)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = dict(getattr(record, "fields", {}))
    if current := request_id.get():
        fields["request_id"] = current
    return fields
