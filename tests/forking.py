"""`irn` and `python` for shell scripts, whatever is on the PATH outside.

:class:`ForkingIrn` is an `irn` that starts at once: a process that has everything imported forks for each
call. The shell's `irn` hands over its words, folder and three streams through a socket, and ends as the fork
ends.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]

SERVER = """
import json, os, signal, socket, sys
import irncli.batch.pipeline, irncli.batch.jobs, irncli.evaluation.roundtrip, irncli.evaluation.protocol
import irncli.report.page, irncli.rescale, irncli.training.loop
import torch._dynamo, torch.utils._device
from PIL import Image
from irncli.cli.app import main

Image.init()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
while True:
    call, _ = listening.accept()
    if os.fork():
        call.close()
        continue
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    data, streams, _, _ = socket.recv_fds(call, 65536, 3)
    if not data:
        os._exit(0)  # only asked whether anybody is there
    words, folder = json.loads(data)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)
    os.chdir(folder)
    status = main(words)
    sys.stdout.flush()
    call.sendall(bytes([status]))
    os._exit(0)
"""

CLIENT = """
import json, os, socket, sys
call = socket.socket(socket.AF_UNIX)
call.connect(sys.argv.pop(1))
socket.send_fds(call, [json.dumps([sys.argv[1:], os.getcwd()]).encode()], [0, 1, 2])
answer = call.recv(1)
sys.exit(answer[0] if answer else 1)
"""


def on_path(folder: Path, irn: Sequence[str] = ("-m", "irncli")) -> str:
    """A PATH that begins with a new ``folder``, where `irn` and `python` are this package and interpreter.

    ``irn``: the words for Python that run it.
    """
    folder.mkdir()
    for name, words in (("irn", irn), ("python", ())):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, *words])} "$@"\n')
        script.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


class ForkingIrn:
    """``with ForkingIrn(folder) as environment``: programs run in it find this package as `irn`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.socket = folder, folder / "socket"

    def __enter__(self) -> dict[str, str]:
        client = self.folder / "client.py"
        client.write_text(CLIENT)
        path = on_path(self.folder / "bin", ["-IS", str(client), str(self.socket)])
        env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
        self.server = subprocess.Popen([sys.executable, "-c", SERVER, str(self.socket)], env=env)
        while True:
            with socket.socket(socket.AF_UNIX) as trial:
                if self.socket.exists() and trial.connect_ex(str(self.socket)) == 0:
                    break
            assert self.server.poll() is None, "the server has ended"
            time.sleep(0.05)
        return env | {"PATH": path}

    def __exit__(self, *_: object) -> None:
        self.server.terminate()
        self.server.wait()
