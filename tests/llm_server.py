"""A language model server that is not ours: llama-cpp-python's own, with OpenAI's API.

It runs in an environment of its own, made once in the user's cache folder; with the model that the
tests know, and the wheel that the hub's own llama-cpp-python was installed from.
"""

import asyncio
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from environments import environment
from processes import LLM, Process, free_port

from hub.models.fetch import ModelMissing, path_of

ROOT = Path(__file__).parents[1]
SERVED = "qwen2.5-coder-0.5b-instruct"  # its name there


def server_python() -> Path:
    """Return the python of the server's environment; skip where it cannot be made."""
    wheel_of = [sys.executable, ROOT / "deploy" / "llama_wheel.py", "--print-key"]
    key = subprocess.run(wheel_of, check=True, capture_output=True, text=True, timeout=60).stdout
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    wheels = list((cache / "parlour" / "wheels" / key.strip()).glob("*.whl"))
    if not wheels:
        pytest.skip("no wheel of llama-cpp-python is kept; run: make setup")
    return environment("llama-cpp-server", f"llama-cpp-python[server] @ {wheels[0].as_uri()}")


@asynccontextmanager
async def llm_server(folder: Path, *, port: int = 0, key: str = ""):
    """Run the server; yields its process, whose `url` is the API's base. May be killed meanwhile.

    Args:
        folder: where it runs.
        port: where it listens; 0 for any.
        key: that it asks for.
    """
    try:
        model = path_of(LLM)
    except ModelMissing:
        pytest.skip("run: make models")
    python = await asyncio.to_thread(server_python)
    gguf = next(iter(model.glob("*.gguf"))) if model.is_dir() else model
    port = port or free_port()
    options = {
        "model": gguf,
        "model_alias": SERVED,
        "chat_format": "chatml",
        "host": "127.0.0.1",
        "port": port,
        "n_ctx": 4096,
        "interrupt_requests": "false",  # by default a second client ends the first one's reply
        **({"api_key": key} if key else {}),
    }
    arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    child = await asyncio.create_subprocess_exec(
        *(python, "-m", "llama_cpp.server", *arguments),
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    process = Process("llm-server", child)
    process.start_reading()
    process.url = f"http://127.0.0.1:{port}/v1"
    try:
        await process.wait_for("Uvicorn running", timeout=120)
        yield process
    finally:
        await process.stop()
