"""The engine: streams to the loop, stops at once, one at a time, errors that say what to do."""

import asyncio
import contextlib
import gc
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from hub.config import TtsSettings
from hub.engines.base import BadInput, EngineBusy, EngineError, EngineUnavailable
from hub.engines.parler import engine as engine_module
from hub.engines.parler.engine import Parler
from hub.engines.parler.voices import CHECKPOINTS, VOICES

pytestmark = pytest.mark.asyncio(loop_scope="session")
TEXT = "Hello to the kitchen."


def settings_of(model: str, **others) -> TtsSettings:
    return TtsSettings(engine="parler", model=model, device="cpu", **others)


async def said(engine: Parler, text: str = TEXT, **how) -> bytes:
    return b"".join([pcm async for pcm in engine.synthesize(text, **how)])


async def test_it_says_what_it_is_and_how_fast_it_is(parler):
    assert (parler.format.rate, parler.format.width, parler.format.channels) == (44100, 2, 1)
    assert parler.device == "cpu"
    assert parler.speed.real_time_factor > 0
    assert 0 < parler.speed.first_audio < 30
    assert parler.describable


async def test_chunks_reach_the_loop_while_the_model_computes(parler):
    began = time.monotonic()
    times = [time.monotonic() - began async for _ in parler.synthesize(TEXT * 3)]
    assert len(times) > 5
    assert times[0] < times[-1] / 3


async def test_its_length_is_capped_by_the_text(parler):
    short, longer = len(await said(parler, "Hello.")), len(await said(parler, TEXT * 4))
    assert parler.format.seconds(short) < 2.0 + 0.12 * len("Hello.")
    assert short < longer


async def test_closing_it_returns_once_the_model_has_stopped_within_100_ms(parler):
    waits = []
    for _ in range(5):
        speech = parler.synthesize(TEXT * 10)
        await anext(speech)
        began = time.monotonic()
        await speech.aclose()
        waits.append(time.monotonic() - began)
        assert parler._thread._running is None
        assert not parler._jobs
    assert min(waits) < 0.1, waits  # the least: others use this machine, too


async def test_a_task_that_is_cancelled_in_mid_speech_leaves_nothing_running(parler):
    task = asyncio.create_task(said(parler, TEXT * 10))
    await asyncio.sleep(0.3)
    task.cancel()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert parler._thread._running is None
    assert await said(parler)


async def test_one_that_waits_for_another_can_be_closed_without_having_begun(parler):
    first = parler.synthesize(TEXT * 10)
    await anext(first)
    waiting = asyncio.create_task(said(parler))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await anext(first)  # goes on as if nothing were
    await first.aclose()


async def test_one_that_waits_for_the_other_model_leaves_its_thread_when_it_is_cancelled(parler):
    with parler._alone:
        waiting = asyncio.create_task(said(parler))
        while parler._thread._running is None:
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        async with asyncio.timeout(5):
            while parler._thread._running is not None:
                await asyncio.sleep(0.01)
    assert await said(parler)


async def test_another_model_that_does_not_end_makes_it_busy_and_not_broken(parler, monkeypatch):
    monkeypatch.setattr(engine_module, "_TURN_TIMEOUT", 0.2)
    with parler._alone, pytest.raises(EngineBusy):
        await said(parler)
    assert await said(parler)


async def test_two_at_once_take_turns_and_sound_as_they_do_alone(parler):
    alone = [await said(parler, voice=voice) for voice in ("Jon", "Laura")]
    together = await asyncio.gather(*(said(parler, voice=voice) for voice in ("Jon", "Laura")))
    assert list(together) == alone


async def test_the_same_clause_always_sounds_the_same_and_voices_differ(parler):
    one, again, other = [await said(parler, voice=voice) for voice in ("Jon", "Jon", "Laura")]
    assert one == again
    assert one != other


async def test_a_description_changes_the_sound_and_the_default_voice_is_the_first(parler):
    assert await said(parler) == await said(parler, voice=VOICES[0])
    whispering = await said(parler, description="Laura whispers, very clear audio.")
    assert whispering not in (await said(parler), await said(parler, voice="Laura"))


async def test_a_voice_that_does_not_exist_is_refused(parler):
    with pytest.raises(BadInput, match="no voice 'Hal'"):
        await said(parler, voice="Hal")


async def test_a_description_that_is_too_long_is_refused_and_the_engine_goes_on(parler):
    with pytest.raises(BadInput, match="tokens"):
        await said(parler, description="speaks " * 600)
    assert await said(parler)


@pytest.mark.parametrize("text", ["", "  ", "...", "?!", "—"])
async def test_what_has_no_words_makes_no_sound(parler, text):
    assert await said(parler, text) == b""


async def test_text_of_any_kind_is_spoken(parler):
    for text in ("señor — 日本", "a" * 200, "\x00\x07 odd", "7"):
        assert await said(parler, text)


async def test_text_longer_than_the_model_is_good_at_is_spoken_in_pieces(make_checkpoint):
    engine = Parler(settings_of(make_checkpoint(mean_steps=20.0)))
    await engine.load()
    try:
        one = await said(engine, "The kitchen is light. " * 5)
        many = await said(engine, "The kitchen is light. " * 40)
        assert len(many) > len(one)
    finally:
        await engine.close()


async def test_sound_is_neither_silent_nor_clipped(parler):
    samples = np.frombuffer(await said(parler), "<i2").astype(float) / 32768
    assert np.sqrt(np.mean(samples**2)) > 0.02
    assert np.abs(samples).max() < 1.0


async def test_closing_the_engine_ends_what_it_says(make_checkpoint):
    engine = Parler(settings_of(make_checkpoint()))
    await engine.load()
    speech = engine.synthesize(TEXT * 10)
    await anext(speech)
    began = time.monotonic()
    await engine.close()
    assert time.monotonic() - began < 5
    with contextlib.suppress(EngineError, StopAsyncIteration):
        while True:
            await anext(speech)
    with pytest.raises(EngineUnavailable):
        await said(engine)


async def test_memory_does_not_grow_over_many_clauses(parler):
    def resident() -> int:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    async def speak(count: int) -> None:
        for number in range(count):
            speech = parler.synthesize(f"Hello {number}.", description=f"Jon, style {number}.")
            await anext(speech)
            await speech.aclose()
        gc.collect()

    await speak(20)
    before = resident()
    await speak(40)
    assert resident() - before < 8 << 20


# ---- folders that are not as they should be ------------------------------------------------------


async def refused(model: str, **others) -> str:
    engine = Parler(settings_of(model, **others))
    try:
        with pytest.raises(EngineUnavailable) as caught:
            await engine.load()
    finally:
        await engine.close()
    return str(caught.value)


def copy_of(folder: str, into: Path) -> Path:
    return Path(shutil.copytree(folder, into / "checkpoint"))


async def test_a_checkpoint_that_is_not_here_is_named_with_what_fetches_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PARLOUR_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert f"make parler MODEL={CHECKPOINTS[2]}" in await refused(CHECKPOINTS[2])


async def test_a_folder_that_does_not_exist_is_named(tmp_path):
    assert str(tmp_path / "nothing") in await refused(str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    "missing", ["config.json", "model.safetensors", "tokenizer.json", "generation_config.json"]
)
async def test_a_missing_file_is_named(make_checkpoint, tmp_path, missing):
    folder = copy_of(make_checkpoint(), tmp_path)
    (folder / missing).unlink()
    assert missing in await refused(str(folder))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
async def test_half_a_file_is_named_and_to_be_fetched_again(make_checkpoint, tmp_path, name):
    folder = copy_of(make_checkpoint(), tmp_path)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    message = await refused(str(folder))
    assert "fetch it again" in message
    assert str(folder) in message


async def test_weights_of_another_model_are_refused(make_checkpoint, tmp_path):
    folder = copy_of(make_checkpoint(), tmp_path)
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"ffn_dim": 128', '"ffn_dim": 96'))
    assert "do not fit config.json" in await refused(str(folder))


async def test_a_tokenizer_of_another_model_is_refused(make_checkpoint, tmp_path):
    folder = copy_of(make_checkpoint(multilingual=True), tmp_path)
    for path in (folder / "description_tokenizer").iterdir():
        shutil.copy(path, folder / path.name)
    assert "does not belong to this checkpoint" in await refused(str(folder))


async def test_a_checkpoint_without_its_description_tokenizer_says_so(make_checkpoint, tmp_path):
    folder = copy_of(make_checkpoint(multilingual=True), tmp_path)
    shutil.rmtree(folder / "description_tokenizer")
    assert "description_tokenizer" in await refused(str(folder))


@pytest.mark.parametrize("options", [{"multilingual": True}, {"old_norms": "weight_norm"}])
async def test_every_format_of_checkpoint_speaks(make_checkpoint, options):
    engine = Parler(settings_of(make_checkpoint(**options)))
    await engine.load()
    try:
        assert await said(engine, "Grüß Gott.")
    finally:
        await engine.close()


async def test_a_checkpoint_in_several_files_speaks_the_same(make_checkpoint, tmp_path, parler):
    import json

    from safetensors.torch import load_file, save_file

    folder = copy_of(make_checkpoint(), tmp_path)
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {}
    for index, key in enumerate(sorted(state)):
        places[key] = f"model-0000{index % 2 + 1}-of-00002.safetensors"
    for name in set(places.values()):
        save_file(
            {key: state[key] for key, place in places.items() if place == name}, folder / name
        )
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    engine = Parler(settings_of(str(folder)))
    await engine.load()
    try:
        assert await said(engine) == await said(parler)
    finally:
        await engine.close()


async def test_asked_for_a_gpu_that_is_not_there_it_falls_back_and_says_so(make_checkpoint):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    engine = Parler(TtsSettings(engine="parler", model=make_checkpoint(), device="cuda"))
    await engine.load()
    try:
        assert engine.device == "cpu"
        assert "tts.device is cuda" in engine.note
        assert await said(engine)
    finally:
        await engine.close()


# ---- the compiled model ----------------------------------------------------------------------


async def test_a_compiled_model_that_is_no_faster_is_not_taken(make_checkpoint):
    engine = Parler(settings_of(make_checkpoint()))
    await engine.load()
    try:

        def slower(forward):
            forward.__self__.register_forward_pre_hook(lambda *_: time.sleep(0.03))
            return forward

        engine.begin_compiling(slower)
        assert await said(engine)  # it speaks meanwhile
        await engine.compiling()
        assert not engine.is_compiled
        assert "not compiled" not in engine.note  # it was tried, and measured
        assert await said(engine)
    finally:
        await engine.close()


async def test_a_compiled_model_that_is_faster_speaks_from_then_on(make_checkpoint):
    from hub.engines.parler.measure import measure

    engine = Parler(settings_of(make_checkpoint()))
    await engine.load()
    try:
        engine._way.speaker.model.register_forward_pre_hook(lambda *_: time.sleep(0.02))
        slow = await engine._thread.run(
            lambda: measure(engine._way.speaker, "Jon speaks."), timeout=60
        )
        engine._steps_per_second = slow.steps_per_second

        def faster(forward):
            forward.__self__._forward_pre_hooks.clear()
            return forward

        engine.begin_compiling(faster)
        meanwhile = await said(engine, "Hello.")
        await engine.compiling()
        assert engine.is_compiled, engine.note
        assert engine.speed.real_time_factor < slow.speed.real_time_factor
        assert len(await said(engine, "Hello.")) == len(meanwhile)
        # what is too long for its fixed lengths, the first one speaks
        assert not engine._fast.speaker.fits("z" * 200, "Jon speaks.")
        speech = engine.synthesize("z" * 200)
        assert await anext(speech)
        await speech.aclose()
    finally:
        await engine.close()


async def test_a_compiler_that_fails_leaves_the_engine_speaking_and_a_note(make_checkpoint):
    engine = Parler(settings_of(make_checkpoint()))
    await engine.load()
    try:

        def fails(forward):
            raise RuntimeError("no C compiler")

        engine.begin_compiling(fails)
        await engine.compiling()
        assert "not compiled" in engine.note
        assert await said(engine)
    finally:
        await engine.close()


async def test_while_the_compiled_model_is_tried_out_nothing_else_computes(
    make_checkpoint, monkeypatch
):
    monkeypatch.setattr(engine_module, "_TURN_TIMEOUT", 300.0)  # others use this machine, too
    engine = Parler(settings_of(make_checkpoint()))
    await engine.load()
    first = engine._way.speaker.model
    computing: set[bool] = set()  # whether it is the first model
    steps = {True: 0, False: 0}
    overlaps = 0

    def begins(module, *_):
        nonlocal overlaps
        mine = module is first
        steps[mine] += 1
        computing.add(mine)
        # the steps that compile may go beside the work; what follows may not
        overlaps += len(computing) > 1 and steps[False] > 3

    try:
        first.register_forward_pre_hook(begins)
        first.register_forward_hook(lambda module, *_: computing.discard(module is first))
        engine.begin_compiling(lambda forward: forward)
        while not engine._compiling.done():
            await said(engine, "Hello.")
        assert "not compiled" not in engine.note
        assert steps[False] > 50
        assert steps[True] > 50
        assert not overlaps
    finally:
        await engine.close()
