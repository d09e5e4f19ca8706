"""Weights from the hub: a real process against a local server that speaks the hub's protocol."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from hub import COMMIT, Hub
from running import Irn, Ran, save

Ask = Callable[..., Ran]


@pytest.fixture
def ask(hub: Hub, command: Irn, tmp_path: Path, tiny_model: Path) -> Ask:
    hub.files["model.safetensors"] = tiny_model.read_bytes()

    def call(*words: object, **env: str) -> Ran:
        return command(*words, **hub.variables(tmp_path / "hf") | env)

    return call


def test_a_picture_with_a_model_of_the_hub(ask: Ask, hub: Hub, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    ran = ask("downscale", "a.png", "--model", "hf:owner/name", "-v")
    assert (ran.status, ran.lines) == (0, ["a.x4.png"]), ran.err
    assert "contacting the hub" in ran.err and COMMIT in ran.err
    assert hub.requests.count("GET") == 1


def test_download_then_cache(ask: Ask, hub: Hub) -> None:
    found = json.loads(ask("models", "download", "hf://owner/name@v1", "--json").out)
    assert found["commit"] == COMMIT and Path(found["path"]).read_bytes() == hub.files["model.safetensors"]
    hub.requests.clear()
    assert ask("models", "download", f"hf:owner/name@{COMMIT}").lines == [found["path"]]
    assert ask("models", "download", "hf:owner/name@v1", HF_HUB_OFFLINE="1").lines == [found["path"]]
    assert ask("models", "download", f"hf:owner/name@{COMMIT}", "--offline").lines == [found["path"]]
    assert hub.requests == []


def test_a_wrong_body_of_the_right_length_is_fetched_once_more(
    ask: Ask,
    hub: Hub,
) -> None:
    hub.wrong = 1
    assert ask("models", "download", "hf:owner/name").status == 0
    assert hub.requests.count("GET") == 2


def test_a_body_that_stays_wrong_is_refused_and_not_kept(
    ask: Ask,
    hub: Hub,
) -> None:
    hub.wrong = 9
    ran = ask("models", "download", "hf:owner/name", "-q")
    assert ran.status == 5 and "SHA-256" in ran.error() and hub.requests.count("GET") == 2
    assert ask("models", "download", "hf:owner/name", "--offline").status == 5


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("private", "no such repository"),
        ("gated", "HF_TOKEN"),
        ("unversioned", "no revision main"),
        ("empty", "no file model.safetensors"),
        ("ill", "could not be downloaded"),
        ("cut", "could not be downloaded"),
    ],
)
def test_what_the_hub_refuses(ask: Ask, hub: Hub, name: str, said: str) -> None:
    ran = ask("models", "download", f"hf:owner/{name}", "-q")
    assert ran.status == 5 and said in ran.error()
    assert name == "cut" or hub.requests == ["HEAD"]  # nobody waits for what is tried again in vain


def test_a_dead_network_is_not_silent(ask: Ask) -> None:
    ran = ask("models", "download", "hf:owner/name", HF_ENDPOINT="http://127.0.0.1:9")
    assert ran.status == 5
    assert ran.err.splitlines()[0].endswith("contacting the hub for hf:owner/name")


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address whose packets are swallowed: connections that nobody takes fill its queue."""
    with socket.socket() as listening, contextlib.ExitStack() as stack:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue refuses")
def test_a_network_that_swallows_everything_is_given_up_in_five_seconds(
    ask: Ask, black_hole: str, tmp_path: Path
) -> None:
    def seconds(log: str) -> float:
        ran = ask("models", "download", "hf:owner/name", "--log-file", log, HF_ENDPOINT=black_hole)
        assert ran.status == 5 and "Check the network and HF_ENDPOINT" in ran.err
        begun, ended = (line[:19] for line in (tmp_path / log).read_text().splitlines())
        return (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()

    # 3, and what a loaded machine adds, which it does not every time; 14 before.
    assert any(2 <= seconds(f"log{i}") <= 8 for i in range(5))


LEADS_OUT = [
    "hf:a/b/../../x.safetensors",
    "hf:a/b/./x.safetensors",
    "hf:a/b//x.safetensors",
    "hf:../b/x.safetensors",
    "hf:a/b@../x.safetensors",
    "hf:a/b/..\\x.safetensors",
]


@pytest.mark.parametrize(
    "bad", ["hf:", "hf:name", "hf:owner/name@", "hf:owner/name/notes.txt", "irn-x4", *LEADS_OUT]
)
def test_an_address_that_is_none(ask: Ask, bad: str) -> None:
    ran = ask("models", "download", bad)
    assert ran.status == 2 and "hf:owner/name" in ran.error()
