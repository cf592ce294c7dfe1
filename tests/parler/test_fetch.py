"""What can be checked of the fetch without the hub."""

import subprocess

from hub.engines.parler import fetch


def test_files_are_digested_as_git_does(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(b'{"a": 1}\n' * 1000)
    said = subprocess.run(["git", "hash-object", str(path)], capture_output=True, check=True)
    assert fetch.git_digest(path) == said.stdout.decode().strip()


def test_a_hub_out_of_reach_is_one_clear_line_and_leaves_no_folder(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("PARLOUR_MODELS", str(tmp_path))
    monkeypatch.setattr(fetch, "OWNER", "no-such-owner-of-parler-tts")
    assert fetch.main(["parler-tts-tiny-v1"]) == 1
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "run it again" in lines[0]
    assert not (tmp_path / "parler-tts-tiny-v1").exists()
