"""What benchmarks ask: in our own voice on any machine, and recorded from people where there are.

Recordings come from ../shared/audio and, as pairs of NAME.wav and NAME.txt, from the folder that
PARLOUR_SPEECH names. Before each our own voice says the wake word, so that one satellite hears all.
"""

from processes import VOICE
from speech_clips import other_recordings, shared_recordings
from timeline import Clip, speech_end

from protocol.audio import SPEECH, Converter

PAUSE = 0.15  # seconds between wake word and question
_LONGEST = 12.0  # seconds of one recording; a turn takes in 15
# For a language model to answer: nothing that the hub refuses or answers by itself.
QUESTIONS = """
Why is sleep important?
What is the capital of France?
Why do people love dogs?
Who wrote Romeo and Juliet?
Why should I drink water?
What makes a good friend?
How do airplanes stay in the air?
What is the largest ocean on Earth?
Can you tell me a short story about a fox?
Why do leaves change color in autumn?
What should I cook with tomatoes and rice?
How far away is the moon?
What is a good name for a cat?
Who painted the Mona Lisa?
Why does bread rise in the oven?
What can I do when I cannot sleep?
Tell me something interesting about whales.
How do bees make honey?
What is the difference between a frog and a toad?
Why is it good to read books?
Give me an idea for a birthday present.
How long should I boil an egg?
Which animal runs the fastest?
What do you need to grow tomatoes?
""".strip().splitlines()


async def spoken(voice, texts: list[str]) -> list[Clip]:
    """Return questions in our own voice."""
    return [await _clip(voice, text, _own(voice(text)), False) for text in texts]


async def recorded(voice, most: int) -> list[Clip]:
    """Return up to `most` recordings of people, taken from all over the list."""
    found = [
        clip for clip in [*other_recordings(), *shared_recordings()] if clip.seconds <= _LONGEST
    ]
    count = min(most, len(found))
    chosen = [found[number * len(found) // count] for number in range(count)]
    return [await _clip(voice, clip.said.strip(), clip.pcm, True) for clip in chosen]


async def _clip(voice, said: str, question: bytes, people: bool) -> Clip:
    wake = _own(voice("Hey Jarvis.")) + bytes(SPEECH.bytes_for(PAUSE))
    end = SPEECH.seconds(len(wake)) + await speech_end(question)
    return Clip(said, wake + question, end, people)


def _own(pcm: bytes) -> bytes:
    converter = Converter(VOICE, SPEECH)
    return converter.process(pcm) + converter.flush()
