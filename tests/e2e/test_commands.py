"""The hub's command line as people use it: real processes, in a folder of their own."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hub.models.fetch import ModelMissing, path_of
from protocol.audio import PcmFormat, WavWriter, read_wav

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Run `python -m hub` in an empty folder; settings, state and home are there, too."""

    def run(*arguments, check=None, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "hub", *map(str, arguments)],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "XDG_STATE_HOME": str(tmp_path / "state"),
                **{name: str(value) for name, value in environment.items()},
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "Traceback" not in done.stderr, done.stderr
        if check is not None:
            assert done.returncode == check, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def models():
    try:
        path_of("whisper-tiny.en")
        path_of("qwen2.5-coder-0.5b-instruct-q4_k_m")
    except ModelMissing:
        pytest.skip("run: make models")


def error_of(done, code=1):
    """The one line that a command which failed has written."""
    assert done.returncode == code, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("parlour-hub: ")
    return line


def test_help_teaches_each_command(hub):
    text = hub("--help", check=0).stdout
    for command in ("serve", "ask", "say", "transcribe", "models", "doctor"):
        assert f"\n    {command} " in text
        assert hub(command, "--help", check=0).stdout.startswith(f"usage: parlour-hub {command}")
    assert "try it, step by step" in text


def test_what_is_no_command_is_a_usage_error(hub):
    assert "COMMAND" in hub(check=2).stderr
    assert "invalid choice: 'sing'" in hub("sing", check=2).stderr


def test_what_is_said_into_a_file_is_heard_in_it(hub, models, tmp_path):
    hub("say", "The kettle is boiling. It is time for tea.", "tea.wav", check=0)
    form, pcm = read_wav(tmp_path / "tea.wav")
    assert form == PcmFormat(24000, 2, 1)
    assert 1.5 < form.seconds(len(pcm)) < 6
    for _ in range(3):  # ending the interpreter while Whisper was freed once aborted it
        heard = hub("transcribe", "tea.wav", check=0).stdout.lower()
        assert "kettle" in heard
        assert "tea" in heard


def test_a_question_is_answered(hub, models):
    assert "Paris" in hub("ask", "What is the capital of France?", check=0).stdout


def test_what_needs_a_tool_is_answered_without_any_model(hub, tmp_path):
    done = hub("ask", "turn on the lamp", check=0, PARLOUR_MODELS=tmp_path / "nothing")
    assert "can't" in done.stdout


@pytest.mark.parametrize("text", ["", "...", "🦜"])
def test_a_text_that_cannot_be_said_makes_no_file(hub, tmp_path, text):
    assert "nothing in this text that can be said" in error_of(hub("say", text, "out.wav"))
    assert not (tmp_path / "out.wav").exists()


def test_a_wave_file_that_cannot_be_written_is_named(hub, tmp_path):
    assert "nowhere/out.wav" in error_of(hub("say", "Hello.", "nowhere/out.wav"))
    assert str(tmp_path) in error_of(hub("say", "Hello.", tmp_path))


@pytest.mark.parametrize(
    ("settings", "command", "why"),
    [
        ('[llm]\nengine = "openai+http://127.0.0.1:9/v1"', ("ask", "Hello."), "llm: cannot reach"),
        ('[stt]\nmodel = "."', ("transcribe", "in.wav"), "does not load"),
    ],
)
def test_an_engine_that_does_not_load_leaves_one_line(hub, tmp_path, settings, command, why):
    with WavWriter(tmp_path / "in.wav", PcmFormat(22050, 2, 1)) as wav:
        wav.write(bytes(4410))
    (tmp_path / "hub.toml").write_text(settings)
    assert why in error_of(hub("--config", "hub.toml", *command))


def test_a_wave_file_that_cannot_be_read_is_named(hub, tmp_path):
    (tmp_path / "text.wav").write_text("this is no wave file\n" * 100)
    (tmp_path / "empty.wav").touch()
    with WavWriter(tmp_path / "silent.wav", PcmFormat(16000, 2, 1)):
        pass
    for name, why in (
        ("missing.wav", "No such file"),
        ("text.wav", "wave file"),
        ("empty.wav", "no wave file"),
        ("silent.wav", "no audio"),
    ):
        line = error_of(hub("transcribe", name))
        assert name in line
        assert why in line


@pytest.mark.parametrize(
    ("command", "model"),
    [
        (("ask", "Why is the sky blue?"), r"qwen2.5-coder"),
        (("transcribe", "tea.wav"), "whisper-tiny.en"),
    ],
)
def test_a_model_that_is_not_here_is_named_with_what_to_run(hub, tmp_path, command, model):
    with WavWriter(tmp_path / "tea.wav", PcmFormat(16000, 2, 1)) as wav:
        wav.write(bytes(32000))
    line = error_of(hub(*command, PARLOUR_MODELS=tmp_path / "nothing"))
    assert "missing; run: parlour-hub models pull " + model in line


def test_a_setting_that_is_wrong_is_named(hub, tmp_path):
    settings = tmp_path / "hub.toml"
    for text, message in (
        ("langage = 'de'", "langage: unknown key; did you mean 'language'?"),
        ("[stt]\nengine = 'ears'", "stt.engine: no engine 'ears'; there are: faster-whisper"),
        ("[llm]\nmodel = 'qwen2.5-coder'", "no file or model 'qwen2.5-coder'; models are: qwen"),
        ("[llm]\nmodel = '.'", "no GGUF file in ."),
        ("language = 'de'", "hibari does not speak 'de', only: en"),
    ):
        settings.write_text(text)
        command = ("say", "Hallo.", "out.wav") if "'de'" in text else ("ask", "Why?")
        if "engine" in text:
            with WavWriter(tmp_path / "tea.wav", PcmFormat(16000, 2, 1)) as wav:
                wav.write(bytes(32000))
            command = ("transcribe", "tea.wav")
        code = 1 if "GGUF" in message else os.EX_CONFIG  # the file may yet be put there
        assert message in error_of(hub("--config", "hub.toml", *command), code)
    missing = hub("--config", "missing.toml", "doctor")
    assert "missing.toml" in error_of(missing, os.EX_CONFIG)


def test_models_are_listed_with_those_that_are_here(hub, models, tmp_path):
    here = hub("models", "list", check=0).stdout
    assert "* stt  whisper-tiny.en" in here
    nowhere = hub("models", "list", check=0, PARLOUR_MODELS=tmp_path / "nothing").stdout
    assert "  stt  whisper-tiny.en" in nowhere
    assert str(tmp_path / "nothing") in nowhere


def test_models_are_verified_by_digest(hub, models, tmp_path):
    done = hub("models", "verify", "whisper-tiny.en", check=0)
    assert done.stdout.count(": ok") == 4
    for name in ("whisper-tiny.en", "broken"):
        (tmp_path / name).mkdir()
    for file in path_of("whisper-tiny.en").iterdir():
        (tmp_path / "whisper-tiny.en" / file.name).symlink_to(file)
    config = tmp_path / "whisper-tiny.en" / "config.json"
    content = config.read_bytes()
    config.unlink()
    config.write_bytes(content.replace(b"a", b"b"))
    done = hub("models", "verify", check=1, PARLOUR_MODELS=tmp_path)
    assert "whisper-tiny.en: config.json: wrong digest" in done.stdout
    assert done.stdout.count(": ok") == 3
    assert "run: parlour-hub models pull" in done.stderr


def test_models_that_are_not_there_or_not_known_are_named(hub, tmp_path):
    nothing = tmp_path / "nothing"
    done = hub("models", "verify", check=1, PARLOUR_MODELS=nothing)
    assert f"no models in {nothing}; run: parlour-hub models pull" in done.stderr
    done = hub("models", "verify", "whisper-tiny.en", check=1, PARLOUR_MODELS=nothing)
    assert "model.bin: missing" in done.stdout
    for action in ("verify", "pull"):
        line = error_of(hub("models", action, "whisper-tiny-en"))
        assert "Did you mean 'whisper-tiny.en'?" in line


def test_the_doctor_says_all_is_well_where_it_is(hub, models, tmp_path):
    (tmp_path / "hub.toml").write_text(
        f'[link]\nlisten = "unix://{tmp_path}/hub.socket"\n'
        f'[service]\nlisten = "unix://{tmp_path}/service.socket"\n'
        '[web]\nlisten = "http://127.0.0.1:0"\n'
    )
    done = hub("--config", "hub.toml", "doctor", check=0)
    assert "✗" not in done.stdout
    assert done.stdout.endswith("all is well\n")


def test_the_doctor_says_what_to_do_where_something_is_missing(hub, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "file").touch()
        (tmp_path / "hub.toml").write_text(
            f'[link]\nlisten = "tcp://127.0.0.1:{port}"\n[store]\npath = "file/hub.db"\n'
            '[service]\nlisten = "tcp://0.0.0.0:0"\n[web]\nlisten = "https://0.0.0.0:0"\n'
            '[[wake.word]]\nname = "hey_parrot"\nmodel = "nothing.tflite"\n'
        )
        done = hub("--config", "hub.toml", "doctor", check=1, PARLOUR_MODELS=tmp_path / "nothing")
    wrong = [line for line in done.stdout.splitlines() if line.startswith("✗")]
    assert any("models pull whisper-tiny.en" in line for line in wrong)
    assert any("is a hub running already?" in line for line in wrong)
    assert any("service port: service.listen" in line and "allow" in line for line in wrong)
    assert any("page: " in line and "run: parlour-hub password" in line for line in wrong)
    assert any("wake words: cannot load wake word 'hey_parrot'" in line for line in wrong)
    assert any("record of turns" in line and "store.path" in line for line in wrong)
    assert "✓ text-to-speech" in done.stdout


def test_the_doctor_finds_a_record_that_is_no_database(hub, tmp_path):
    (tmp_path / "hub.db").write_text("this is no database, " * 500)
    (tmp_path / "hub.toml").write_text('[store]\npath = "hub.db"\n')
    done = hub("--config", "hub.toml", "doctor", check=1, PARLOUR_MODELS=tmp_path / "nothing")
    assert "✗ record of turns: hub.db: file is not a database; move it away" in done.stdout
