"""Logs: text for people, JSON for machines."""

from __future__ import annotations

import json
import logging

import pytest

from services.common.logs import configure_logging, request_id


@pytest.fixture(autouse=True)
def _root_logger():
    root, services = logging.getLogger(), logging.getLogger("services")
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    services.setLevel(logging.NOTSET)


def log_something() -> None:
    """Logs below the level, at it, and an exception."""
    logger = logging.getLogger("painter")
    logger.debug("unseen")
    logger.info("painted %s", "grün")
    try:
        raise ValueError("no paint")
    except ValueError:
        logger.exception("failed")


def test_json(capsys):
    """Each record is one JSON object with time, level, logger, message and, if any, the traceback."""
    configure_logging("info", "json")
    log_something()
    painted, failed = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (painted["level"], painted["logger"], painted["message"]) == ("info", "painter", "painted grün")
    assert painted["time"].endswith("+00:00")
    assert failed["exception"].endswith("ValueError: no paint")


def test_text(capsys):
    """Text lines have level, logger and message; nothing goes to stdout."""
    configure_logging("error", "text")
    log_something()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "ERROR painter: failed" in captured.err
    assert "painted" not in captured.err


def test_fields(capsys):
    """A record's fields and the id of its request are in both forms of the log."""
    configure_logging("info", "json")
    token = request_id.set("order-66")
    try:
        logging.getLogger("painter").info("painted", extra={"fields": {"coats": 2}})
        configure_logging("info", "text")
        logging.getLogger("painter").info("painted", extra={"fields": {"coats": 2}})
    finally:
        request_id.reset(token)
    as_json, as_text = capsys.readouterr().err.splitlines()
    assert json.loads(as_json) | {"coats": 2, "request_id": "order-66"} == json.loads(as_json)
    assert as_text.endswith("INFO painter: painted coats=2 request_id=order-66")


def test_debug(capsys):
    """Debug records are those of the services; libraries start at info."""
    configure_logging("debug", "text")
    for name in ("services.common.server", "asyncio"):
        logging.getLogger(name).debug("detail")
        logging.getLogger(name).info("event")
    lines = [line.split(" ", 2)[2] for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        "DEBUG services.common.server: detail",
        "INFO services.common.server: event",
        "INFO asyncio: event",
    ]
