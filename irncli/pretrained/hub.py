"""``hf:owner/name[@revision][/FILE]``: weights from the Hugging Face hub, checked by ourselves.

huggingface_hub downloads into its own cache and obeys its HF_* variables. It accepts a wrong body of the
right length, so the SHA-256 that the hub states and the fingerprint in the file's header are compared here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from logging import CRITICAL
from pathlib import Path
from typing import Any

from irncli.errors import ModelError, UsageError

PREFIX = "hf:"
DEFAULT_FILE = "model.safetensors"
LONGEST_CONNECT = 3.0
"""Seconds until the hub's machine must have answered at all."""
_SUFFIXES = (".safetensors", ".pth", ".pt")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _silent(text: str) -> None:
    """Nobody listens, as when irn is a library."""


say: Callable[[str], None] = _silent
"""Told before the network is used; the command line puts its own in."""
detail: Callable[[str], None] = _silent
"""Told which commit a branch or tag stands for."""


@dataclass(frozen=True)
class Reference:
    text: str
    repo: str
    revision: str
    file: str


@dataclass(frozen=True)
class Fetched:
    path: Path
    commit: str
    """The commit (40 hexadecimal digits) that the revision stands for."""


def is_reference(name: str) -> bool:
    return name.startswith(PREFIX)


def parse(text: str) -> Reference:
    """Raise UsageError for what is no ``hf:owner/name[@revision][/FILE]``."""
    from huggingface_hub import parse_hf_uri
    from huggingface_hub.errors import HfUriError, HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # exported late

    problem = UsageError(f"{text} is no address on the hub", "Write hf:owner/name[@revision][/FILE].")
    try:
        uri = parse_hf_uri("hf://" + text.removeprefix(PREFIX).removeprefix("//"))
        validate_repo_id(uri.id)
    except (HfUriError, HFValidationError) as error:
        raise problem from error
    file = uri.path_in_repo or DEFAULT_FILE
    steps = re.split(r"[/\\]", f"{uri.revision or 'main'}/{file}")
    if uri.type != "model" or not file.endswith(_SUFFIXES) or not {"", ".", ".."}.isdisjoint(steps):
        raise problem
    return Reference(text, uri.id, uri.revision or "main", file)


def resolve(text: str) -> Path:
    """The checked file of a reference, in the hub's cache. Raise UsageError or ModelError."""
    return fetch(text).path


@lru_cache
def fetch(text: str) -> Fetched:
    """From the cache where it is sure to be the same, else from the hub. Raise UsageError or ModelError."""
    from huggingface_hub import constants
    from huggingface_hub.utils import logging

    logging.set_verbosity(CRITICAL)  # its words on retries; ours follow
    wanted = parse(text)
    cached = _cached(wanted)
    if constants.HF_HUB_OFFLINE:
        if cached is None:
            raise ModelError(f"{text}: not in the cache, and offline", "Fetch it once without `offline`.")
        return _checked_cache(wanted, cached)
    if cached is not None and _COMMIT.fullmatch(wanted.revision):
        return _checked_cache(wanted, cached)
    return _from_hub(wanted, cached)


def _cached(wanted: Reference) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(wanted.repo, wanted.file, revision=wanted.revision)
    return Path(found) if isinstance(found, str) else None


def _stated(etag: str | None) -> str | None:
    """The SHA-256 that the hub gives as a large file's ETag."""
    return etag if etag and _SHA256.fullmatch(etag) else None


def _checked_cache(wanted: Reference, path: Path) -> Fetched:
    fetched = Fetched(path, _commit_of(wanted, path))
    _check(wanted, path, _stated(path.resolve().name))
    detail(f"{wanted.text}: commit {fetched.commit}, from the cache")
    return fetched


def _commit_of(wanted: Reference, path: Path) -> str:
    return path.parents[wanted.file.count("/")].name


def _check(wanted: Reference, path: Path, sha256: str | None) -> None:
    """Raise ModelError, having deleted the file, unless it is what the hub and its header say."""
    from irncli.pretrained.fingerprint import checked_fingerprint, is_ours, read_arrays, read_header

    remedy = "It was deleted from the cache. Try again; if it stays so, tell the owner of the repository."
    try:
        if sha256 and hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise ModelError(f"{wanted.text}: its contents do not match the hub's SHA-256", remedy)
        if path.suffix == ".safetensors" and is_ours(header := read_header(path)):
            checked_fingerprint(path, header, read_arrays(path))
    except ModelError as error:
        blob = path.resolve()
        path.unlink(missing_ok=True)
        blob.unlink(missing_ok=True)
        what = error.what if error.what.startswith(wanted.text) else f"{wanted.text}: a damaged weight file"
        raise ModelError(what, remedy) from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})", "Check its permissions.") from error


def _from_hub(wanted: Reference, cached: Path | None) -> Fetched:
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import disable_progress_bars, httpx  # type: ignore[attr-defined]  # late

    disable_progress_bars()
    say(f"contacting the hub for {wanted.text}")
    text = wanted.text
    try:
        # Without retries: the library's own last 23 s.
        url = hf_hub_url(wanted.repo, wanted.file, revision=wanted.revision)
        # A network that swallows packets is told in 3 s; a hub that is slow to answer has its usual time.
        usual: Any = constants.HF_HUB_ETAG_TIMEOUT
        patience: Any = httpx.Timeout(usual, connect=min(usual, LONGEST_CONNECT))
        facts = get_hf_file_metadata(url, timeout=patience, library_name="irn")
        if facts.commit_hash is None or not _COMMIT.fullmatch(facts.commit_hash):
            raise ModelError(f"{text}: the hub's answer names no commit", "Check HF_ENDPOINT.")
        commit, sha256 = facts.commit_hash, _stated(facts.etag)

        def download(again: bool) -> Path:
            return Path(
                hf_hub_download(
                    wanted.repo,
                    wanted.file,
                    revision=wanted.revision,
                    library_name="irn",
                    force_download=again,
                )
            )

        path = download(False)
        try:
            _check(wanted, path, sha256)
        except ModelError:
            path = download(True)
            _check(wanted, path, sha256)
        detail(f"{text}: commit {commit}")
        return Fetched(path, commit)
    except GatedRepoError as error:
        remedy = f"Accept its terms on the hub ({wanted.repo}), then set HF_TOKEN."
        raise ModelError(f"{text}: its owner lets only chosen users in", remedy) from error
    except RepositoryNotFoundError as error:
        remedy = "Check the spelling; for a private one set HF_TOKEN."
        raise ModelError(f"{text}: no such repository", remedy) from error
    except RevisionNotFoundError as error:
        what = f"{text}: no revision {wanted.revision} in {wanted.repo}"
        raise ModelError(what, "Give a branch, a tag or a commit that there is.") from error
    except RemoteEntryNotFoundError as error:
        what = f"{text}: no file {wanted.file} in {wanted.repo}"
        raise ModelError(what, "Name the file: hf:owner/name/FILE.safetensors.") from error
    except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
        if cached is not None and cached.exists():
            say(f"{text}: the hub cannot be reached, so the copy in the cache is used")
            return _checked_cache(wanted, cached)
        remedy = "Check the network and HF_ENDPOINT and try again, or give a file."
        raise ModelError(f"{text}: could not be downloaded ({type(error).__name__})", remedy) from error
