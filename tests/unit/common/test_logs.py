"""Logs: text for people, JSON for machines."""

from __future__ import annotations

import json
import logging

import pytest

from services.common.logs import configure_logging


@pytest.fixture(autouse=True)
def _root_logger():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


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
