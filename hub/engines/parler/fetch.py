"""Fetch a checkpoint from the Hugging Face hub: `make parler MODEL=parler-tts-mini-v1`.

Runs in Parler's environment. Weights (safetensors), configuration and tokenizers alone come, no
code. Nobody publishes digests of the checkpoints but the hub itself, and no catalogue of ours has
any: each file is compared with the digest that the hub states, at the revision that it has today,
and both are written down in `fetched.json` beside the files.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from hub.engines.parler.checkpoint import OWNER
from hub.engines.parler.voices import CHECKPOINTS
from hub.models.installed import models_dir, sha256_of, write_atomically

WANTED = ("*.safetensors", "*.json")
_DESCRIPTIONS = "google/flan-t5-large"  # the text encoder of the checkpoints with two tokenizers
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


class FetchFailed(Exception):
    """Nothing was changed; the message says why."""


def fetch(name: str, root: Path) -> Path:
    """Fetch a checkpoint, whole or not at all; one that is there stays. Blocking.

    Args:
        name: one of CHECKPOINTS.
        root: the folder of all models.

    Raises:
        FetchFailed: the hub cannot be reached, a file is not what it says, or the disk is full.
    """
    folder = root / name
    if (folder / "fetched.json").exists():
        return folder
    if folder.exists():
        raise FetchFailed(f"{folder} is there, but was not fetched by this; move it away first")
    partial = root / f".{name}.partial"  # kept when interrupted: it goes on from there
    partial.mkdir(parents=True, exist_ok=True)
    record = {name: _repository(f"{OWNER}/{name}", WANTED, partial)}
    if _needs_another_tokenizer(partial):
        beside = partial / "description_tokenizer"
        record["description_tokenizer"] = _repository(_DESCRIPTIONS, _TOKENIZER, beside)
    shutil.rmtree(partial / ".cache", ignore_errors=True)
    shutil.rmtree(partial / "description_tokenizer" / ".cache", ignore_errors=True)
    write_atomically(partial / "fetched.json", json.dumps(record, indent=2).encode())
    partial.rename(folder)
    return folder


def _needs_another_tokenizer(folder: Path) -> bool:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    return bool(config.get("vocab_size") != config.get("text_encoder", {}).get("vocab_size"))


def _repository(repository: str, wanted: tuple[str, ...], into: Path) -> dict[str, Any]:
    """Fetch files of a repository, at today's revision; return what the hub says of them."""
    from huggingface_hub import HfApi, snapshot_download

    try:
        told = HfApi().model_info(repository, files_metadata=True)
        snapshot_download(
            repository, revision=told.sha, allow_patterns=list(wanted), local_dir=into
        )
    except Exception as exc:  # of huggingface_hub, requests, or the disk
        why = " ".join(str(exc).split())[:160]
        raise FetchFailed(
            f"{repository}: {type(exc).__name__}: {why} ... (is the hub within reach, and the disk "
            "not full? What has come is kept: run it again)"
        ) from exc
    files = {}
    for sibling in told.siblings or ():
        path = into / sibling.rfilename
        if not path.is_file():
            continue  # not wanted
        kind, digest = "sha1 of git", sibling.blob_id
        if sibling.lfs is not None:
            kind, digest = "sha256", sibling.lfs.sha256
        found = sha256_of(path) if kind == "sha256" else git_digest(path)
        if found != digest:
            path.unlink()
            raise FetchFailed(
                f"{repository}/{sibling.rfilename}: the hub says {kind} {digest}, found {found}"
            )
        files[sibling.rfilename] = {kind: digest}
    return {"repository": repository, "revision": told.sha, "files": files}


def git_digest(path: Path) -> str:
    """Return the id that git gives a file's content."""
    content = path.read_bytes()
    # git's own choice, not for security: large files have a sha256
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Fetch the checkpoint that the command line names; return the exit status."""
    parser = argparse.ArgumentParser(description="Fetch a Parler-TTS checkpoint.")
    parser.add_argument("name", choices=CHECKPOINTS)
    name: str = parser.parse_args(arguments).name
    os.environ["HF_HUB_OFFLINE"] = "0"
    try:
        folder = fetch(name, models_dir())
    except (FetchFailed, OSError) as exc:
        sys.stderr.write(f"parler: {exc}\n")
        return 1
    sys.stdout.write(f"parler: {name} is in {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
