"""Writes each logged training step as a line of JSON to the file that XROBUST_STEP_LOG names, if it names one."""

from __future__ import annotations

import json
import os
from pathlib import Path

from xrobust import hookimpl


@hookimpl
def step_finished(step: int, loss: float, learning_rate: float) -> None:
    """Appends the step. Only the arguments that are used need to be taken."""
    if path := os.environ.get("XROBUST_STEP_LOG"):
        with Path(path).open("a", encoding="utf-8") as log:
            log.write(json.dumps({"step": step, "loss": loss, "learning_rate": learning_rate}) + "\n")
