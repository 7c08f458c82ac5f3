"""Text of a document without what belongs to one machine: paths, and the name of the host."""

from __future__ import annotations

import re
import socket

PATH = re.compile(r"""(?<![\w/.:~-])(?:~[\w.-]*|\.{1,2})?/(?:[^\s/:;,'"()]+/)*(?P<last>[^\s/:;,'"()]+)/?""")
"""An absolute path, or one that begins with `~`, `.` or `..`; not the path of a URL."""


def host_free(text: str) -> str:
    """The text with the last part alone of each path that leads out of the working folder, and without the host's name.

    `cannot write /home/anna/runs/pos/result.json: disk full` becomes `cannot write result.json: disk full`.
    """
    host = socket.gethostname()
    found = PATH.sub(lambda path: path["last"], text)
    return re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w.-])", "this host", found) if len(host) > 2 else found
