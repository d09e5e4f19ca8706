"""scripts/publish_weights.py, with huggingface_hub's own client against a server that takes uploads."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from irncli.pretrained.catalogue import resolve

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "weights"
REPO = "owner/irn"


@dataclass
class Hub:
    """Speaks as much of the hub's protocol as a commit needs: create, preupload, LFS batch, PUT, commit."""

    address: str = ""
    token: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def answer(self, path: str, body: bytes) -> Any:
        if path == "/api/repos/create":
            assert json.loads(body)["name"] == "irn"
            return {"url": f"{self.address}/{REPO}"}
        if path == f"/api/models/{REPO}/preupload/main":
            names = [file["path"] for file in json.loads(body)["files"]]
            kinds = {name: "lfs" if name.endswith(".safetensors") else "regular" for name in names}
            return {"files": [{"path": n, "uploadMode": kinds[n], "shouldIgnore": False} for n in names]}
        if path == f"/{REPO}.git/info/lfs/objects/batch":
            wanted = json.loads(body)["objects"]
            url = f"{self.address}/put/"
            return {
                "transfer": "basic",
                "objects": [o | {"actions": {"upload": {"href": url + o["oid"]}}} for o in wanted],
            }
        if path == f"/api/models/{REPO}/commit/main":
            for line in map(json.loads, body.decode().splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    self.files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    self.files[value["path"]] = self.objects[value["oid"]]
            return {"commitUrl": f"{self.address}/{REPO}/commit/{'a' * 40}", "commitOid": "a" * 40}
        return {}


@pytest.fixture
def hub() -> Iterator[Hub]:
    there = Hub()

    class Handler(BaseHTTPRequestHandler):
        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def _say(self, answer: Any) -> None:
            data = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            there.token = self.headers.get("Authorization", "")
            self._say(there.answer(self.path.partition("?")[0], self._body()))

        def do_PUT(self) -> None:
            data = self._body()
            assert hashlib.sha256(data).hexdigest() == self.path.rpartition("/")[2]
            there.objects[self.path.rpartition("/")[2]] = data
            self._say({})

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    there.address = f"http://127.0.0.1:{server.server_port}"
    yield there
    server.shutdown()
    server.server_close()


def publish(hub: Hub, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {
        "PYTHONPATH": str(ROOT), "HF_ENDPOINT": hub.address, "HF_HOME": str(folder), "HF_TOKEN": "hf_secret",
        "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_PROXY": "127.0.0.1",
    }  # fmt: skip
    argv = [sys.executable, str(ROOT / "scripts/publish_weights.py"), REPO, *words]
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=100)


def test_without_a_word_nothing_is_uploaded(hub: Hub, tmp_path: Path) -> None:
    done = publish(hub, tmp_path)
    assert done.returncode == 0 and "nothing was uploaded" in done.stderr
    listed = dict(line.split("\t") for line in done.stdout.splitlines())
    newest = resolve("irn-x4").name
    assert listed["model.safetensors"] == listed[newest] == str((WEIGHTS / newest).stat().st_size)
    assert {"README.md", "LICENSE", "catalogue.json"} <= listed.keys()
    assert hub.token == "" and publish(hub, tmp_path, "--default", "nonsense").returncode != 0


def test_what_arrives_is_what_is_here(hub: Hub, tmp_path: Path) -> None:
    done = publish(hub, tmp_path, "--upload", "--default", "irn-x2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith("a" * 40) and hub.token == "Bearer hf_secret"
    shipped = {path.name: path.read_bytes() for path in WEIGHTS.glob("*.safetensors")}
    assert {name: data for name, data in hub.files.items() if name in shipped} == shipped
    assert hub.files["model.safetensors"] == shipped[resolve("irn-x2").name]
    assert hub.files["catalogue.json"] == (WEIGHTS / "catalogue.json").read_bytes()
    card = hub.files["README.md"].decode()
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert f"irn upscale photo.x2.png --model hf:{REPO}" in card and "## What it cannot do" in card
