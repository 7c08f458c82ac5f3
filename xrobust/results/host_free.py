"""Text of a document without what belongs to one machine: paths, and the name of the host."""

from __future__ import annotations

import re
import socket

PATH = re.compile(
    r"""(?<![\w/.~-])(?!(?<=:)//)  # no path within a word, and not the path of a URL
    (?:~[\w.-]*|\.{1,2})?/
    (?:[^\s/:;,'"()](?:[^/:;,'"()\n]*[^\s/:;,'"()])?/)*  # folders, whose names may hold spaces
    (?P<last>[^\s/:;,'"()]+)/?""",
    re.VERBOSE,
)
"""An absolute path, or one that begins with `~`, `.` or `..`."""


def host_free(text: str) -> str:
    """The text with the last part alone of each path that leads out of the working folder, and without the host's name.

    `cannot write /home/anna/runs/pos/result.json: disk full` becomes `cannot write result.json: disk full`. To be
    called on this machine, when the text is put into a document: what is read back stays as it is.
    """
    before, found = None, text.replace("file://", "")
    while found != before:
        before, found = found, PATH.sub(lambda path: path["last"], found)
    host = socket.gethostname()
    if len(host) < 3:  # a word like any other
        return found
    return re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w.-])", "this host", found)
