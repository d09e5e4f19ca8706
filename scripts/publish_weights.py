"""Publish weights/ on the Hugging Face hub, so that `--model hf:OWNER/NAME` finds them.

    python scripts/publish_weights.py OWNER/NAME              # tells what would be uploaded
    python scripts/publish_weights.py OWNER/NAME --upload     # with HF_TOKEN, one commit

Every file is held against the catalogue before. model.safetensors, which `hf:OWNER/NAME` means, is
the newest of --default; the others are `hf:OWNER/NAME/irn-x2-4.safetensors` and so on. Run again, it commits
what has changed. HF_* variables count, HF_ENDPOINT among them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from irncli.errors import IrnError
from irncli.pretrained.catalogue import entries, find, verify, weights_folder
from irncli.pretrained.hub import DEFAULT_FILE

TOP = Path(__file__).resolve().parents[1]
FRONT = """---
license: apache-2.0
library_name: irncli
pipeline_tag: image-to-image
tags: [image-rescaling, invertible-neural-network, super-resolution, downscaling]
---

"""
USE = """## Use

```sh
pip install irncli
irn downscale photo.jpg --model hf:{repo}
irn upscale photo.x{scale}.png --model hf:{repo}
```

The same weights come with irn: `--model` is only for those who want them from here.

"""


def card(repo: str, scale: int) -> str:
    """weights/MODEL_CARD.md with what the hub wants in front of it."""
    text = (TOP / "weights" / "MODEL_CARD.md").read_text("utf-8")
    title, _, rest = text.partition("\n\n")
    return FRONT + title + "\n\n" + USE.format(repo=repo, scale=scale) + rest


def contents(repo: str, default: str) -> dict[str, Path | bytes]:
    """Name in the repository -> a file here or its bytes. Raise ModelError for what is not whole."""
    newest = find(default)
    if newest is None:
        raise IrnError(f"no model named {default!r} in the catalogue", "See irn models list.")
    files: dict[str, Path | bytes] = {"README.md": card(repo, newest.scale).encode()}
    files["LICENSE"] = TOP / "LICENSE"
    files["catalogue.json"] = weights_folder() / "catalogue.json"
    for entry in entries():
        verify(entry)
        files[entry.path.name] = entry.path
    return files | {DEFAULT_FILE: newest.path}


def upload(repo: str, files: dict[str, Path | bytes], private: bool) -> str:
    """One commit with all files; its address."""
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(library_name="irn")
    api.create_repo(repo, exist_ok=True, private=private)
    operations = [CommitOperationAdd(name, data) for name, data in files.items()]
    names = ", ".join(entry.name for entry in entries())
    return str(api.create_commit(repo, operations, commit_message=f"Weights: {names}").commit_url)


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("repo", metavar="OWNER/NAME")
    parser.add_argument("--default", default="irn-x4", metavar="NAME", help="[default: irn-x4]")
    parser.add_argument("--private", action="store_true", help="a new repository is seen by its owner alone")
    parser.add_argument("--upload", action="store_true", help="do it")
    options = parser.parse_args()
    try:
        files = contents(options.repo, options.default)
    except IrnError as error:
        print(f"publish_weights: {error}", file=sys.stderr)  # noqa: T201
        return error.status
    for name, data in files.items():
        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        print(f"{name}\t{size}")  # noqa: T201
    if options.upload:
        print(upload(options.repo, files, options.private))  # noqa: T201
    else:
        print("nothing was uploaded: add --upload", file=sys.stderr)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
