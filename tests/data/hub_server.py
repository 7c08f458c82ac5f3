"""A small server that speaks the part of the hub's protocol that reading a pinned data set and a model takes."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


class Hub:
    """Serves `repos[(repo, sha)][path] = bytes` on a free port of this machine, and keeps a log of what was asked.

    `models` are served likewise, under their sha and as `main`.
    """

    def __init__(
        self,
        repos: dict[tuple[str, str], dict[str, bytes]],
        models: dict[tuple[str, str], dict[str, bytes]] | None = None,
    ) -> None:
        self.log: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = unquote(urlsplit(self.path).path)
                hub.log.append(f"{self.command} {path}")
                for (repo, sha), files in repos.items():
                    if path.startswith(start := f"/datasets/{repo}/resolve/{sha}/"):
                        return self._file(sha, files.get(path.removeprefix(start)))
                    if path == f"/api/datasets/{repo}/revision/{sha}":
                        siblings = [{"rfilename": name} for name in files]
                        return self._json({"id": repo, "sha": sha, "tags": [], "siblings": siblings})
                for (repo, sha), files in (models or {}).items():
                    for revision in (sha, "main"):
                        if path.startswith(start := f"/{repo}/resolve/{revision}/"):
                            return self._file(sha, files.get(path.removeprefix(start)))
                    if path == f"/api/models/{repo}" or path.startswith(f"/api/models/{repo}/revision/"):
                        siblings = [{"rfilename": name} for name in files]
                        return self._json({"id": repo, "sha": sha, "tags": [], "siblings": siblings})
                    if path.startswith(f"/api/models/{repo}/tree/"):  # a folder that no model here has
                        return self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
                return self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})

            do_HEAD = do_GET

            def _file(self, sha: str, data: bytes | None) -> None:
                if data is None:
                    return self._answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha})
                etag = hashlib.sha256(data).hexdigest()
                return self._answer(200, data, {"ETag": f'"{etag}"', "X-Repo-Commit": sha})

            def _json(self, value: Any) -> None:
                self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

            def _answer(self, status: int, data: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Nothing on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def files(self) -> list[str]:
        """The files whose content was asked for."""
        return [
            line.partition("/resolve/")[2].partition("/")[2] for line in self.log if line.startswith("GET /datasets")
        ]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
