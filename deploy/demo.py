"""The main job, once: a satellite hears its wake word and a question, the hub answers aloud.

Starts a hub process and a satellite process that talk over a real socket. The satellite's
microphone is a recording, spoken by the hub's own voice; what its speaker plays is written to a
wave file. Exits 0 only if the reply was really played. `make demo` runs it.
"""

import argparse
import asyncio
import signal
import sys
import time
from array import array
from pathlib import Path

from children import ROOT, START_TIMEOUT, Failed, running, start_hub

from protocol.audio import SPEECH, Converter, level, read_wav

OUTPUT = ROOT / "demo-output"
QUESTION = "Hey Jarvis, why is sleep important?"
WAKE_TIMEOUT = 5.0  # after the end of the recording
TURN_TIMEOUT = 120.0
SILENCE_DBFS = -50.0


async def speak_question(text: str, path: Path) -> None:
    """Have the hub's own voice say the wake word and the question."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hub",
        "say",
        text,
        str(path),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(START_TIMEOUT):
            _, errors = await child.communicate()
    except TimeoutError:
        raise Failed(f"no question could be made in {START_TIMEOUT:g} s") from None
    finally:
        if child.returncode is None:  # it took too long, or the demo was interrupted
            child.kill()
            await child.wait()
    if child.returncode != 0:
        raise Failed(f"no question could be made: {errors.decode().strip()}")


def seconds_of_sound(path: Path) -> float:
    """Return how much of a wave file is louder than silence, in seconds."""
    form, pcm = read_wav(path)
    converter = Converter(form, SPEECH)
    samples = array("h", converter.process(pcm) + converter.flush())
    block = SPEECH.rate // 50
    blocks = (samples[start : start + block].tobytes() for start in range(0, len(samples), block))
    return sum(level(sound) > SILENCE_DBFS for sound in blocks) / 50


async def demo(question: str) -> None:
    """Run one turn; raises Failed where it does not come to its end."""
    demo_task = asyncio.current_task()
    assert demo_task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, demo_task.cancel)
    OUTPUT.mkdir(exist_ok=True)
    spoken, answer = OUTPUT / "question.wav", OUTPUT / "answer.wav"
    config = OUTPUT / "hub.toml"
    config.write_text(
        f'[store]\npath = "{OUTPUT / "hub.db"}"\n\n[log]\nlevel = "warning"\n', encoding="utf-8"
    )
    answer.unlink(missing_ok=True)

    print(f"1. The hub's own voice says: {question}")
    await speak_question(question, spoken)
    print(f"   {spoken.relative_to(ROOT)}")
    print("2. A hub starts.")
    async with running(
        *("hub", "hub", "--config", str(config), "serve", "--show"),
        *("--listen", "tcp://127.0.0.1:0", "--service", "", "--web", ""),
    ) as hub:
        address = await start_hub(hub)
        print("3. A satellite starts; its microphone hears the recording.")
        async with running(
            "satellite",
            *("satellite", "run", "--hub", address, "--room", "Demo room"),
            *("--microphone", f"wave:{spoken}", "--speaker", f"wave:{answer}"),
        ) as satellite:
            began = time.monotonic()
            unconnected = f"the satellite did not reach the hub in {START_TIMEOUT:g} s"
            await satellite.wait_for("ready", START_TIMEOUT, unconnected)
            form, recording = read_wav(spoken)
            await hub.wait_for(
                "listens",
                form.seconds(len(recording)) + WAKE_TIMEOUT,
                'the satellite heard no wake word; let the question begin with "Hey Jarvis,"',
            )
            endless = f"the turn did not end in {TURN_TIMEOUT:g} s"
            outcome = (await hub.wait_for(r"turn ended: (\S+)", TURN_TIMEOUT, endless))[1]
            await hub.wait_for("in all", 5, endless)
            if outcome != "answered":
                raise Failed(f"the turn ended: {outcome}")
            if not any("first_audio_played" in line for line in hub.lines):
                raise Failed("the satellite never said that it played the reply")
            elapsed = time.monotonic() - began
    played = seconds_of_sound(answer)
    if played < 0.5:
        raise Failed(f"{answer} holds {played:.1f} s of sound: the reply was not played")
    print(f"4. Done in {elapsed:.1f} s. The satellite's speaker played {played:.1f} s of sound:")
    print(f"   {answer.relative_to(ROOT)}")


def main() -> int:
    """Run the demo; 0 only if the reply was played."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question", nargs="?", default=QUESTION, help="begins with the wake word")
    arguments = parser.parse_args()
    try:
        asyncio.run(demo(arguments.question))
    except Failed as exc:
        print(f"demo failed: {exc}", file=sys.stderr)
        return 1
    except OSError as exc:
        print(f"demo failed: {str(exc) or type(exc).__name__}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):  # SIGINT, SIGTERM
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
