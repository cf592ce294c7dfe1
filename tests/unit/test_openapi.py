"""The OpenAPI document says what is served, and its viewer shows it without any other machine."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest
from web_hub import Engines, satellite, wav, web_hub

from hub.web.openapi import endpoints_of

TESTS = Path(__file__).parents[1]


@pytest.fixture
async def house(tmp_path, monkeypatch):
    monkeypatch.setattr("scripted.SECONDS_PER_LETTER", 0.001)  # long texts are tried
    engines = Engines()
    engines.tts.seconds = 0.0
    async with web_hub(tmp_path, monkeypatch, engines, keep_sound=True) as house:
        yield house


# What exists, so that more is tried than 404s. And a valid request may be refused all the same: a
# voice, a language or a setting that there is not.
CONFIG = """
[parameters]
"path.name" = "Kitchen"
"path.id" = "{turn}"

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "404", "409", "415", "416", "422"]
"""


@pytest.mark.slow
async def test_whatever_is_thrown_at_it_is_answered_as_the_document_says(house, client, tmp_path):
    """Schemathesis makes requests out of the document, right and wrong ones; all its checks."""
    asked = await client.post("/api/turn", data=wav(), headers={"Content-Type": "audio/wav"})
    turn = (await asked.json())["turn"]["id"]
    (tmp_path / "schemathesis.toml").write_text(CONFIG.format(turn=turn))
    async with satellite(house, "Kitchen"):
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("schemathesis"),
            *("run", f"{house.web_address}/api/openapi.json", "--checks", "all", "--no-color"),
            *("--max-examples", "8", "--generation-deterministic"),
            *("--suppress-health-check", "all", "--request-timeout", "20"),
            cwd=tmp_path,
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "sound_for_schemathesis",
                "PYTHONPATH": str(TESTS),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def test_the_document_has_whatever_is_served_and_describes_it(house, client):
    document = await (await client.get("/api/openapi.json")).json()
    served = {(e.method.lower(), e.path) for e in endpoints_of(house._web.app())}
    described = {(m, path) for path, item in document["paths"].items() for m in item}
    assert described == served
    assert ("post", "/api/transcribe") in served
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert all(parameter["description"] for parameter in operation["parameters"])
    for name, schema in document["components"]["schemas"].items():
        missing = [key for key, of in schema.get("properties", {}).items() if not of]
        assert not missing, name


async def test_every_field_of_our_own_is_described(client):
    document = await (await client.get("/api/openapi.json")).json()
    paths = {path: item for path, item in document["paths"].items() if path.startswith("/api/")}
    schemas = document["components"]["schemas"]
    wanted, known = set(re.findall(r"#/components/schemas/([\w.]+)", str(paths))), set()
    while wanted - known:
        known |= (new := wanted - known)
        wanted |= set(re.findall(r"#/components/schemas/([\w.]+)", str([schemas[n] for n in new])))
    for name in known:
        assert schemas[name].get("description"), name
        for key, field in schemas[name].get("properties", {}).items():
            plain = name in ("Snapshot", "ModelFile", "TurnSound")  # its own text says enough
            assert field.get("description") or plain, f"{name}.{key}"


async def test_all_files_of_the_viewer_come_from_the_hub(client):
    page = await client.get("/api/docs")
    assert page.content_type == "text/html"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    text = await page.text()
    links = re.findall(r'(?:href|src)="([^"]+)"', text)
    assert len(links) == 4
    assert re.search(r"<script>|<style|style=|\son\w+=", text) is None
    for link in links:
        assert link.startswith("/api/docs/")
        response = await client.get(link)
        assert response.status == 200
        assert await response.read()
