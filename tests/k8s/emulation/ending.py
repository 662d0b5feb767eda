"""The end of a program that has started a cluster."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Coroutine
from typing import Any, NoReturn


def run_to_the_end(main: Coroutine[Any, Any, None]) -> NoReturn:
    """Runs `main` and ends the process: where it failed, its pods end with their namespace, not in order."""
    code = 0
    try:
        asyncio.get_event_loop_policy().new_event_loop().run_until_complete(main)
    except SystemExit:  # --help, or a mistake in the options: nothing has been started
        raise
    except BaseException:  # noqa: BLE001 - shown, and told by the exit code
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    os._exit(code)
