"""Text of a document without what belongs to one machine: paths, and the name of the host."""

from __future__ import annotations

import re
import socket
from typing import Annotated

from pydantic import AfterValidator

PATH = re.compile(r"""(?<![\w/.:~-])(?:~[\w.-]*|\.{1,2})?/(?:[^\s/:;,'"()]+/)*(?P<last>[^\s/:;,'"()]+)/?""")
"""An absolute path, or one that begins with `~`, `.` or `..`; not the path of a URL."""


def host_free(text: str) -> str:
    """Cuts each path that leads out of the working folder to its last part, and replaces the name of the host.

    `cannot write /home/anna/runs/pos/result.json: disk full` becomes `cannot write result.json: disk full`.
    """
    host = socket.gethostname()
    found = PATH.sub(lambda path: path["last"], text)
    if len(host) < 3:  # a word like any other
        return found
    return re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w.-])", "this host", found)


HostFree = Annotated[str, AfterValidator(host_free)]
"""Text of a document: what belongs to one machine is taken out of it when the document is made or read."""
