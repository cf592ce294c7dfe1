"""What the page does with sound, in a real Chromium: its resampler, its player, its ring."""

import asyncio

import numpy as np
import pytest
from browser import measuring
from scripted import TTS_FORMAT, ScriptedTts
from talking import listening, recorded, seconds_loud, talker
from web_hub import Engines, web_hub

from protocol.audio import SPEECH, from_float32

pytestmark = pytest.mark.local

# How a sine of a frequency comes out of the resampler, given in pieces: how many samples, and how
# loud they are and how far from what they should be, in dB of what went in.
RESAMPLE = """
async ([from, to, frequency, piece]) => {
  const { Resampler } = await import("/page/talk/resampler.js");
  const resampler = new Resampler(from, to);
  const input = Float32Array.from({ length: from }, (_, i) =>
    Math.sin((2 * Math.PI * frequency * i) / from));
  const output = [];
  for (let i = 0; i < from; i += piece)
    output.push(...resampler.process(input.slice(i, i + piece)));
  output.push(...resampler.flush());
  let power = 0;
  let error = 0;
  const [begin, end] = [0.1 * output.length, 0.9 * output.length].map(Math.floor);
  for (let i = begin; i < end; i++) {
    power += output[i] ** 2;
    error += (output[i] - Math.sin((2 * Math.PI * frequency * i) / to)) ** 2;
  }
  const decibels = (sum) => 10 * Math.log10((2 * sum) / (end - begin) + 1e-20);
  return [output.length, decibels(power), decibels(error)];
}
"""
# Plays 1.5 s of a tone, held for a while in the middle of it; what was told of it.
PLAY = """
async ({ hold, flush }) => {
  const { Player } = await import("/page/talk/player.js");
  const context = new AudioContext();
  await context.resume();
  let done = false;
  const reports = [];
  const player = new Player(context, {
    onProgress: () => reports.push(player.samplesPlayed),
    onDone: () => { done = true; },
  });
  await player.load();
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const until = async (what) => { while (!what()) await wait(5); };
  const tone = Int16Array.from({ length: 36000 }, (_, i) =>
    12000 * Math.sin((2 * Math.PI * 440 * i) / 24000));
  player.begin({ rate: 24000, channels: 1 });
  for (let i = 0; i < tone.length; i += 5000) player.feed(tone.slice(i, i + 5000).buffer);
  player.end();
  await until(() => player.samplesPlayed > 8000);
  let held = 0;
  if (hold) {
    player.hold();
    await wait(150);
    held = player.samplesPlayed;
    await wait(400);
    held = player.samplesPlayed - held;
    player.resume();
  }
  if (flush) {
    player.flush();
    const at = performance.now();
    await wait(400);
    const result = { played: player.samplesPlayed, quiet: window.heard.loud - at, reports };
    await context.close();
    return result;
  }
  await until(() => done);
  const result = { played: player.samplesPlayed, held, reports };
  await context.close();
  return result;
}
"""


class Tone(ScriptedTts):
    """Speaks as a tone, which can be heard."""

    async def synthesize(self, text, *, voice=None, description=""):
        async for pcm in super().synthesize(text, voice=voice):
            times = np.arange(len(pcm) // 2) / TTS_FORMAT.rate
            yield from_float32(0.3 * np.sin(2 * np.pi * 440 * times).astype(np.float32))


@pytest.fixture
async def tab(tmp_path, monkeypatch):
    engines = Engines()
    engines.tts = Tone(0.002)
    engines.llm.text = "One two three four five."
    quiet = recorded(tmp_path / "quiet.wav")
    async with (
        web_hub(tmp_path, monkeypatch, engines) as hub,
        listening(quiet) as browser,
        talker(browser, hub.web_address) as someone,
    ):
        yield someone


def spectrum_peak(pcm):
    """The loudest frequency, in Hz, and how much of the power is there, with its neighbours."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    loud = np.flatnonzero(np.abs(samples) > 300)
    samples = samples[loud[0] : loud[-1] + 1]
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    peak = int(power.argmax())
    share = power[max(0, peak - 20) : peak + 21].sum() / power.sum()
    return peak * SPEECH.rate / len(samples), share


async def test_sound_is_resampled_cleanly_however_it_is_cut(tab):
    for rates in ((48000, 16000), (44100, 16000), (96000, 16000), (24000, 48000), (22050, 44100)):
        for frequency, piece in ((300, 128), (1000, 511), (5000, 7)):
            count, power, error = await tab.page.evaluate(RESAMPLE, [*rates, frequency, piece])
            assert abs(count - rates[1]) <= 2
            assert abs(power) < 0.2
            assert error < -50
    for rate, frequency in ((48000, 9000), (48000, 20000), (44100, 10000)):
        _, power, _ = await tab.page.evaluate(RESAMPLE, [rate, 16000, frequency, 128])
        assert power < -70  # nothing of it comes back as another tone


async def test_a_reply_is_played_without_a_gap_and_its_end_is_told(tab):
    await tab.page.locator("#ask").click()
    for _ in range(3):  # a busy machine drops sound of its own; a gap of ours would come each time
        told = await tab.page.evaluate(PLAY, {"hold": False, "flush": False})
        heard = await tab.heard()
        assert told["played"] == 36000
        assert told["reports"] == sorted(told["reports"])
        assert seconds_loud(heard) == pytest.approx(1.5, abs=0.1)
        frequency, share = spectrum_peak(heard)
        assert frequency == pytest.approx(440, abs=2)
        if share > 0.999:  # a gap would be heard all over the spectrum
            return
    pytest.fail(f"there are gaps: only {share:.4f} of the power is the tone's")


async def test_a_reply_that_is_held_goes_on_where_it_stopped(tab):
    await tab.page.locator("#ask").click()
    for _ in range(3):  # a busy machine drops sound of its own; ours would click each time
        told = await tab.page.evaluate(PLAY, {"hold": True, "flush": False})
        heard = await tab.heard()
        assert told["held"] == 0
        assert told["played"] == 36000
        assert seconds_loud(heard) == pytest.approx(1.5, abs=0.08)
        steps = np.abs(np.diff(np.frombuffer(heard, "<i2").astype(np.float64)))
        if steps.max() < 2500:  # 440 Hz has steps of 2100 at most
            return
    pytest.fail("it clicks")


async def test_a_reply_that_is_dropped_is_quiet_at_once(tab):
    await tab.page.locator("#ask").click()
    told = await tab.page.evaluate(PLAY, {"hold": False, "flush": True})
    assert told["quiet"] < 150  # ms, with the loudspeaker's own delay
    assert 8000 <= told["played"] < 14000
    assert seconds_loud(await tab.heard()) < 1.0


@pytest.mark.long
async def test_a_timer_rings_until_somebody_presses_the_button(tab):
    await tab.type("Set a timer for one second.")
    await tab.is_now("speaking")
    await tab.is_now("idle")
    await tab.heard()
    await asyncio.sleep(5.5)
    assert seconds_loud(await tab.heard()) > 0.5
    await tab.mic.click()
    await asyncio.sleep(1.0)  # the last tone dies away
    await tab.heard()
    await asyncio.sleep(2.5)
    assert seconds_loud(await tab.heard()) == 0.0
    assert await tab.is_now("idle")


async def test_the_volume_that_is_asked_for_is_that_of_the_next_reply(tab):
    levels = []
    for question in ("Hello.", "Set the volume to 20 percent.", "Hello again."):
        await tab.heard()
        await tab.type(question)
        await tab.is_now("speaking")
        await tab.is_now("idle")
        samples = np.frombuffer(await tab.heard(), "<i2").astype(np.float64)
        levels.append(np.abs(samples).max())
    assert levels[2] / levels[0] == pytest.approx(0.2 ** (0.5 * np.log2(10)), rel=0.1)


@pytest.mark.long
async def test_hundreds_of_turns_leave_nothing_behind_in_the_browser(tab):
    measure = await measuring(tab.page)
    measured = []
    for _ in range(3):
        for number in range(60):
            await tab.type(f"Question {number}")
            await tab.is_now("speaking")
            if number % 3 == 0:
                await tab.page.keyboard.press("Escape")
            await tab.is_now("idle")
        await tab.heard()
        await asyncio.sleep(1.0)
        measured.append(await measure())
    _, before, after = measured
    for what in ("AudioHandlers", "AudioWorkletProcessors", "JSEventListeners", "Nodes"):
        assert after[what] <= before[what] * 1.05, what
    assert after["JSHeapUsedSize"] < before["JSHeapUsedSize"] + 500_000
