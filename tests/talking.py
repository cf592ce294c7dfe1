"""Somebody who talks to the page in a real Chromium, and what comes out of its loudspeaker."""

import asyncio
import base64
import contextlib
import time

import numpy as np
from browser import chromium, opened
from processes import VOICE

from protocol.audio import SPEECH, Converter, PcmFormat, write_wav

MICROPHONE = PcmFormat(48000, 2, 1)
WAIT = 40.0  # seconds
# Hears what the page's player gives to the loudspeaker; `heard.loud` is when it was last not quiet,
# in ms. Browsers call the node deprecated: it needs no file of its own.
_EAR = """
(() => {
  const connect = AudioNode.prototype.connect;
  const pieces = [];
  window.heard = {
    rate: 0,
    loud: 0,
    samples: () => pieces.reduce((sum, piece) => sum + piece.length, 0),
    take() {
      const all = new Int16Array(this.samples());
      let at = 0;
      for (const piece of pieces.splice(0))
        for (const sample of piece) all[at++] = Math.max(-1, Math.min(1, sample)) * 32767;
      const bytes = new Uint8Array(all.buffer);
      let text = "";
      for (let i = 0; i < bytes.length; i += 8192)
        text += String.fromCharCode(...bytes.subarray(i, i + 8192));
      return [this.rate, btoa(text)];
    },
  };
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target === this.context.destination && this instanceof GainNode) {
      const ear = this.context.createScriptProcessor(4096, 1, 1);
      window.heard.rate = this.context.sampleRate;
      ear.onaudioprocess = ({ inputBuffer }) => {
        const piece = inputBuffer.getChannelData(0).slice();
        pieces.push(piece);
        if (piece.some((sample) => Math.abs(sample) > 0.01)) window.heard.loud = performance.now();
      };
      connect.call(this, ear);
      connect.call(ear, target);
    }
    return connect.call(this, target, ...rest);
  };
  const states = [];
  window.states = states;
  document.addEventListener("DOMContentLoaded", () => {
    const look = () => {
      const state = document.querySelector("button.mic")?.dataset.state;
      if (state && state !== states.at(-1)?.[0]) states.push([state, performance.now()]);
    };
    const options = { subtree: true, childList: true, attributeFilter: ["data-state"] };
    new MutationObserver(look).observe(document.body, options);
  });
})();
"""


class Talker:
    """One tab, and who sits before it."""

    def __init__(self, page):
        self.page = page
        self.mic = page.locator("button.mic")

    async def is_now(self, *states: str, timeout: float = WAIT) -> str:
        """Wait until the tab is in one of these states."""
        return await self.until(
            "(wanted) => wanted.find((one) => "
            'document.querySelector("button.mic")?.dataset.state === one)',
            list(states),
            timeout=timeout,
        )

    async def until(self, question: str, argument=None, *, timeout: float = WAIT):
        """Wait until a function of JavaScript returns something; return it."""
        deadline = time.monotonic() + timeout
        while not (answer := await self.page.evaluate(question, argument)):
            assert time.monotonic() < deadline, f"{question} {argument}\n{await self.looks()}"
            await asyncio.sleep(0.02)
        return answer

    async def looks(self) -> str:
        """What shows, and which states there were."""
        states = [state for state, _ in await self.page.evaluate("window.states")]
        return f"{states}\n{await self.page.locator('body').inner_text()}"

    async def states(self) -> list[str]:
        return [state for state, _ in await self.page.evaluate("window.states")]

    async def type(self, text: str) -> None:
        await self.page.locator("#ask").fill(text)
        await self.page.keyboard.press("Enter")

    async def hands_free(self, mode: str) -> None:
        # (the radio button itself is hidden behind its label)
        await self.page.locator(f"label.mode:has(input[value={mode}])").click()

    async def heard(self) -> bytes:
        """What came out of the loudspeaker since the last time, as `SPEECH`."""
        rate, text = await self.page.evaluate("window.heard.take()")
        converter = Converter(PcmFormat(int(rate), 2, 1), SPEECH)
        return converter.process(base64.b64decode(text)) + converter.flush()


def seconds_loud(pcm: bytes) -> float:
    """For how long something was to be heard, in pieces of 20 ms."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    whole = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    return float((np.abs(whole).max(axis=1, initial=0.0) > 300).sum() * 0.02)


def recorded(path, *parts: bytes | float) -> str:
    """Write what the microphone will hear: `VOICE`, and seconds of silence."""
    converter = Converter(VOICE, MICROPHONE)
    pcm = b"".join(
        converter.process(part) if isinstance(part, bytes) else bytes(MICROPHONE.bytes_for(part))
        for part in parts
    )
    write_wav(path, MICROPHONE, pcm + bytes(MICROPHONE.bytes_for(60.0)))
    return str(path)


@contextlib.asynccontextmanager
async def listening(microphone: str, *more: str):
    """A Chromium whose microphone hears a file, from when it is opened on."""
    async with chromium(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}%noloop",
        *more,
    ) as browser:
        yield browser


@contextlib.asynccontextmanager
async def talker(browser, address: str, *expected: str, context=None):
    """A tab with the page; fails where the page misbehaved, but for what is `expected`."""
    allowed = ("ScriptProcessor", *expected)
    async with opened(browser, address, "", *allowed, context=context, script=_EAR) as page:
        tab = Talker(page)
        await tab.is_now("idle", "denied")
        yield tab
