"""A hub of weights on this machine: as much of its protocol as a download and a commit need."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

COMMIT = "c0ffee" * 6 + "beef"
PROBLEMS = {
    "private": (404, "RepoNotFound"),
    "gated": (403, "GatedRepo"),
    "unversioned": (404, "RevisionNotFound"),
    "empty": (404, "EntryNotFound"),
    "ill": (500, ""),
}
"""Repositories of these names answer so: status, X-Error-Code. One of the name "cut" sends half a body."""


class Hub:
    """``with Hub() as hub``: every repository of ``owner`` has ``hub.files``, at any revision."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.objects: dict[str, bytes] = {}
        """Uploaded by their SHA-256, not committed yet."""
        self.requests: list[str] = []
        """The methods of what was asked of files."""
        self.wrong = 0
        """How many bodies are still sent with a byte changed."""
        self.token = ""
        """The Authorization of the last upload."""

    def __enter__(self) -> Self:
        hub = self

        class Handler(_Handler):
            there = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def variables(self, home: Path) -> dict[str, str]:
        """What sends a process of huggingface_hub here, with its cache in ``home``, past any proxy."""
        return {
            "HF_ENDPOINT": self.address, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1",
            "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_ETAG_TIMEOUT": "1000", "HF_HUB_DOWNLOAD_TIMEOUT": "1000",
        }  # fmt: skip

    def upload(self, path: str, body: bytes) -> Any:
        """The answer to a step of a commit: create, preupload, LFS batch, the commit itself."""
        if path == "/api/repos/create":
            return {"url": f"{self.address}/owner/{json.loads(body)['name']}"}
        if path.endswith("/preupload/main"):
            names = [file["path"] for file in json.loads(body)["files"]]
            kinds = {name: "lfs" if name.endswith(".safetensors") else "regular" for name in names}
            return {"files": [{"path": n, "uploadMode": kinds[n], "shouldIgnore": False} for n in names]}
        if path.endswith(".git/info/lfs/objects/batch"):
            return {
                "transfer": "basic",
                "objects": [
                    each | {"actions": {"upload": {"href": f"{self.address}/put/{each['oid']}"}}}
                    for each in json.loads(body)["objects"]
                ],
            }
        if path.endswith("/commit/main"):
            for line in map(json.loads, body.decode().splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    self.files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    self.files[value["path"]] = self.objects[value["oid"]]
            repo = path.removeprefix("/api/models/").removesuffix("/commit/main")
            return {"commitUrl": f"{self.address}/{repo}/commit/{COMMIT}", "commitOid": COMMIT}
        return {}


class _Handler(BaseHTTPRequestHandler):
    there: Hub

    def do_GET(self) -> None:
        path, (owner, name) = self.path, self.path.split("/")[1:3]
        if owner == "api":
            self._answer(200, json.dumps({}).encode())
            return
        if owner != "owner" or "/resolve/" not in path:
            self.send_error(404)
            return
        self.there.requests.append(self.command)
        if name in PROBLEMS:
            status, code = PROBLEMS[name]
            self._answer(status, b"", {"X-Error-Code": code})
            return
        file = path.partition("/resolve/")[2].partition("/")[2]
        if file not in self.there.files:
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        whole = body = self.there.files[file]
        if self.command == "GET" and self.there.wrong:
            self.there.wrong -= 1
            body = body[:-1] + bytes([body[-1] ^ 1])
        stated = {"ETag": f'"{hashlib.sha256(whole).hexdigest()}"', "X-Repo-Commit": COMMIT}
        self._answer(200, body, stated, cut=name == "cut")

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        self.there.token = self.headers.get("Authorization", "")
        answer = self.there.upload(self.path.partition("?")[0], self._body())
        self._answer(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def do_PUT(self) -> None:
        body, name = self._body(), self.path.rpartition("/")[2]
        assert hashlib.sha256(body).hexdigest() == name
        self.there.objects[name] = body
        self._answer(200, b"{}")

    def log_message(self, *_: object) -> None: ...

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
