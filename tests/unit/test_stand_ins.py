"""Engines that stand in for others: while those load, have failed or are too slow."""

import asyncio
import itertools

import pytest
from scripted import (
    TTS_FORMAT,
    Bench,
    ScriptedGeneration,
    ScriptedLlm,
    ScriptedStt,
    ScriptedTts,
    SimulatedSatellite,
    Speech,
    now,
    sound_of,
)
from scripted_home import ScriptedHome, ScriptedTools

from hub.config import Settings, TtsSettings
from hub.conversation.announcing import speak
from hub.conversation.pipeline import APOLOGY
from hub.conversation.turn import Outcome
from hub.conversation.voice import Voice
from hub.engines.base import BadInput, EngineBusy, EngineError, EngineUnavailable, Speed
from hub.engines.stand_in import Backed, too_slow
from hub.engines.supervisor import EngineState, Supervised

pytestmark = pytest.mark.looptime(noop_cycles=2)

QUESTION = Speech(0.5, 2.0)
QUESTION_WORDS = "what is the capital of france"


class Preferred(ScriptedTts):
    """A voice that can be told to break in the middle of what it says."""

    name = "preferred"
    voices = ("Laura",)
    describable = True
    breaks_after: int | None = None  # pieces
    begins_after = 0.0  # seconds

    async def synthesize(self, text, *, voice=None, description=""):
        await asyncio.sleep(self.begins_after)
        pieces = 0
        async for piece in super().synthesize(text, voice=voice, description=description):
            if pieces == self.breaks_after:
                raise EngineError("its process was killed")
            pieces += 1
            yield piece


async def opened(voice: ScriptedTts, **options) -> Bench:
    return await Bench(tts=voice, stand_ins={"tts": ScriptedTts()}, **options).open()


class TestVoices:
    async def test_the_voice_that_is_wanted_speaks_where_it_can(self):
        bench = await opened(Preferred())
        turn, _ = await bench.say(QUESTION)
        assert turn.outcome is Outcome.ANSWERED
        assert "".join(bench.tts.spoken)
        assert not bench.stand_ins["tts"].spoken

    async def test_one_that_dies_in_mid_sentence_ends_its_reply_and_no_other_voice_goes_on(self):
        bench = await opened(Preferred())
        bench.tts.breaks_after = 2
        turn, satellite = await bench.say(QUESTION)
        assert turn.outcome is Outcome.FAILED
        assert satellite.names().count("audio-start") == satellite.names().count("audio-stop") == 1
        assert satellite.names().count("audio") == 2
        assert "failed" not in satellite.names()
        assert not bench.stand_ins["tts"].spoken

    async def test_the_reply_after_that_is_spoken_by_the_one_that_stands_in(self):
        bench = await opened(Preferred())
        bench.tts.breaks_after = 2
        loading = asyncio.Event()
        bench.tts.load = loading.wait  # it comes back later
        await bench.say(QUESTION)
        turn, _ = await bench.say(QUESTION)
        assert turn.outcome is Outcome.ANSWERED
        assert bench.stand_ins["tts"].spoken
        assert APOLOGY not in bench.stand_ins["tts"].spoken
        assert bench.engines.tts.restarts == 1
        bench.tts.breaks_after = None
        loading.set()
        await asyncio.sleep(60)
        before = len(bench.stand_ins["tts"].spoken)
        turn, _ = await bench.say(QUESTION)
        assert turn.outcome is Outcome.ANSWERED
        assert len(bench.stand_ins["tts"].spoken) == before

    async def test_a_reply_of_which_nothing_was_heard_is_spoken_whole_by_the_other(self):
        bench = await opened(Preferred())
        bench.tts.breaks_after = 0
        turn, satellite = await bench.say(QUESTION)
        assert turn.outcome is Outcome.ANSWERED
        assert satellite.names().count("audio-start") == 1
        assert len(bench.stand_ins["tts"].spoken) == len(satellite.texts("clause"))
        assert turn.playback.text.split() == bench.llm.text.split()

    async def test_a_voice_that_does_not_begin_in_time_loses_this_reply_and_is_not_restarted(self):
        bench = await opened(Preferred())
        bench.tts.begins_after = 5.0
        turn, _ = await bench.say(QUESTION)
        assert turn.outcome is Outcome.ANSWERED
        assert turn.playback.text.split() == bench.llm.text.split()
        assert not bench.tts.spoken
        assert bench.engines.tts.restarts == 0

    async def test_without_another_a_slow_voice_is_waited_for(self):
        bench = await Bench(tts=Preferred()).open()
        bench.tts.begins_after = 5.0
        turn, _ = await bench.say(QUESTION)
        assert turn.outcome is Outcome.ANSWERED

    @pytest.mark.parametrize("speed", [Speed(2.3, 0.2), Speed(0.2, 1.5)])
    async def test_one_that_is_too_slow_on_this_machine_does_not_speak(self, speed):
        voice = Preferred()
        voice.speed = speed
        bench = await opened(voice)
        turn, _ = await bench.say(QUESTION)
        assert turn.outcome is Outcome.ANSWERED
        assert not bench.tts.spoken
        assert bench.engines.tts.unfit.startswith("too slow on this machine: ")
        assert bench.engines.tts.state is EngineState.READY

    async def test_one_that_got_faster_speaks_from_the_next_reply_on(self):
        voice = Preferred()
        voice.speed = Speed(2.0, 0.3)
        bench = await opened(voice)
        await bench.say(QUESTION)
        voice.speed = Speed(0.4, 0.1)
        await bench.say(QUESTION)
        assert bench.tts.spoken

    async def test_two_rooms_at_once_are_too_much_for_one_that_just_keeps_up(self):
        voice = Preferred()
        voice.speed = Speed(0.6, 0.1)
        assert too_slow(voice, 0) == ""
        assert too_slow(voice, 1) == "it speaks 1 other replies, and does not keep up with one more"

    async def test_a_voice_that_died_before_its_first_sound_apologises_once_it_is_back(self):
        class Mortal(Preferred):
            dead = False

            async def close(self):
                self.dead = True

            async def synthesize(self, text, *, voice=None, description=""):
                if self.dead:
                    raise EngineUnavailable("it is not loaded")
                async for piece in super().synthesize(text):
                    yield piece

        first, second = Mortal(), Mortal()
        first.breaks_after = 0
        bench = await Bench(tts=first).open()
        bench.engines.tts._make = lambda: asyncio.sleep(0, second)
        turn, satellite = await bench.say(QUESTION)
        assert turn.outcome is Outcome.FAILED
        assert second.spoken == [APOLOGY]
        assert satellite.names().count("audio-start") == satellite.names().count("audio-stop") == 1

    async def test_one_that_is_too_slow_is_no_reason_to_hurry_the_one_that_stands_in(self):
        voice, other = Preferred(), Preferred()
        voice.speed = Speed(2.3, 0.2)
        other.begins_after = 4.0
        bench = await Bench(tts=voice, stand_ins={"tts": other}).open()
        turn, _ = await bench.say(QUESTION)
        assert turn.outcome is Outcome.ANSWERED
        assert other.spoken
        assert not voice.spoken

    async def test_an_announcement_is_spoken_whole_by_the_other_where_the_voice_dies(self):
        bench = await opened(Preferred())
        bench.tts.breaks_after = 3
        text = "Dinner is ready. Come to the table."
        said = await speak(text, bench.engines.tts, bench.settings, chime=False)
        assert " ".join(bench.stand_ins["tts"].spoken) == text
        assert TTS_FORMAT.seconds(len(said.pcm)) == pytest.approx(len(text) * 0.06, abs=0.2)
        assert bench.engines.tts.restarts == 1

    async def test_what_is_untrue_is_found_in_short_sentences_that_are_said_together(self):
        voice = ScriptedTts()
        voice.clause_letters = (24, 300)
        bench = await Bench(tts=voice).open()
        bench.llm.text = "No problem. It is sunny outside today. Enjoy it."
        turn, _ = await bench.say(QUESTION)
        assert turn.outcome is Outcome.ANSWERED
        assert "sunny" not in " ".join(voice.spoken)

    async def test_a_name_that_the_other_voice_lacks_does_not_keep_it_from_speaking(self):
        settings = TtsSettings(voice="Laura", description="Laura speaks slowly.")
        voice = Voice.of(Preferred(), settings)
        assert (voice.name, voice.description) == ("Laura", "Laura speaks slowly.")
        other = Voice.of(ScriptedTts(), settings)
        assert (other.name, other.description) == (None, "")

    async def test_what_makes_it_no_clause_for_the_voice_goes_with_the_next(self):
        voice = ScriptedTts()
        voice.clause_letters = (24, 300)
        bench = await Bench(tts=voice).open()
        bench.llm.text = "Yes, of course. Tea is a drink that is made from leaves. It is hot. Bye."
        await bench.say(QUESTION)
        first, *_ = voice.spoken
        assert len(first) > 24
        assert " ".join(" ".join(voice.spoken).split()) == bench.llm.text


class TestOtherRoles:
    async def test_a_language_model_that_fails_before_its_first_word_is_replaced_in_this_turn(self):
        bench = await Bench(stand_ins={"llm": ScriptedLlm()}).open()

        class Dead(ScriptedGeneration):
            async def __anext__(self):
                raise EngineError("the connection was refused")

        bench.llm.generate = lambda room, messages, **_: Dead(bench.llm, "")
        turn, _ = await bench.say(QUESTION)
        assert turn.outcome is Outcome.ANSWERED
        assert turn.playback.text.split() == bench.stand_ins["llm"].text.split()
        assert bench.engines.llm.restarts == 1

    async def test_a_question_in_writing_is_answered_by_the_other_model_where_one_fails(self):
        bench = await Bench(stand_ins={"llm": ScriptedLlm("Tea is hot.")}).open()
        bench.llm.error = EngineError("the connection was refused")
        clauses = []

        async def send(clause):
            clauses.append(clause.strip())

        turn = await bench.room().answer("what is tea", send)
        assert turn.outcome is Outcome.ANSWERED
        assert clauses == ["Tea is hot."]
        assert turn.record.tokens.generated_tokens == 3

    async def test_a_model_that_fails_while_it_chooses_is_replaced_and_what_is_done_is_done_once(
        self,
    ):
        home = ScriptedHome()
        home.asks = True
        home.tools = {QUESTION_WORDS: ScriptedTools(home, QUESTION_WORDS, "The lamp is on.")}
        bench = await Bench(home=home, stand_ins={"llm": ScriptedLlm("1")}).open()
        bench.llm.error = EngineError("the connection was refused")
        turn, satellite = await bench.say(QUESTION)
        assert turn.outcome is Outcome.ANSWERED
        assert satellite.texts("clause") == ["The lamp is on."]
        assert [said for _, said in home.done] == [QUESTION_WORDS]

    async def test_nothing_is_done_where_only_a_model_that_may_not_choose_is_left(self):
        class Choosy(ScriptedHome):
            def tools_for(self, text, place):
                small = bench.engines.llm.current is bench.stand_ins["llm"]
                return None if small else super().tools_for(text, place)

        home = Choosy()
        home.asks = True
        home.tools = {QUESTION_WORDS: ScriptedTools(home, QUESTION_WORDS, "The lamp is on.")}
        bench = Bench(home=home, stand_ins={"llm": ScriptedLlm("1")})
        await bench.open()
        bench.llm.error = EngineError("the connection was refused")
        turn, satellite = await bench.say(QUESTION)
        assert turn.outcome is Outcome.ANSWERED
        assert [clause.strip() for clause in satellite.texts("clause")] == ["1"]
        assert not home.done

    @pytest.mark.parametrize("role", ["llm", "tts"])
    async def test_an_engine_that_complains_of_being_stopped_is_not_replaced_in_that_turn(
        self, role
    ):
        class Complains(ScriptedGeneration):
            async def aclose(self):
                await super().aclose()
                raise EngineError("it does not stop")

        class ComplainsToo(ScriptedTts):
            async def synthesize(self, text, *, voice=None, description=""):
                try:
                    await asyncio.sleep(2)
                except asyncio.CancelledError:
                    raise EngineError("it does not stop") from None
                yield b""

        llm, tts = ScriptedLlm(first=2.0 if role == "llm" else 0.2), ScriptedTts()
        if role == "llm":
            llm.generate = lambda room, messages, **_: Complains(llm, llm.text)
        else:
            tts = ComplainsToo()
        other = ScriptedLlm() if role == "llm" else ScriptedTts()
        bench = await Bench(llm=llm, tts=tts, stand_ins={role: other}).open()
        satellite = SimulatedSatellite()
        turn = await bench.room().begin(satellite, sound_of([QUESTION]), "")
        await asyncio.sleep(4.5 if role == "llm" else 4.0)
        assert not turn.ended
        began = now()
        await bench.room().stop(Outcome.INTERRUPTED)
        assert now() - began < 1
        await asyncio.sleep(10)
        assert other.work.calls == 0
        assert "audio-start" not in satellite.names()

    async def test_speech_to_text_that_is_busy_for_others_is_helped_and_not_restarted(self):
        bench = await Bench(stand_ins={"stt": ScriptedStt()}).open()
        bench.stt.error = EngineBusy("too many requests")
        turn, _ = await bench.say(QUESTION)
        assert turn.outcome is Outcome.ANSWERED
        assert bench.stand_ins["stt"].work.calls
        assert bench.engines.stt.restarts == 0

    async def test_speech_to_text_that_fails_is_replaced_in_this_turn(self):
        bench = await Bench(stand_ins={"stt": ScriptedStt()}).open()

        async def refused(*_, **__):
            raise EngineError("the connection was refused")

        bench.stt.transcribe = refused
        turn, _ = await bench.say(QUESTION)
        assert turn.outcome is Outcome.ANSWERED
        assert bench.stand_ins["stt"].work.calls

    async def test_input_that_is_bad_for_one_is_not_tried_with_the_other(self):
        bench = await Bench(stand_ins={"stt": ScriptedStt()}).open()

        async def bad(*_, **__):
            raise BadInput("half a sample")

        bench.stt.transcribe = bad
        await bench.say(QUESTION)
        assert not bench.stand_ins["stt"].work.calls
        assert bench.engines.stt.restarts == 0


def backed(wanted, other) -> Backed:
    async def make_wanted():
        return wanted

    async def make_other():
        return other

    return Backed("tts", make_wanted, Supervised("tts", make_other))


class TestBoth:
    async def test_a_new_conversation_is_forgotten_by_both_language_models(self):
        bench = await Bench(stand_ins={"llm": ScriptedLlm()}).open()
        forgotten = []
        for llm in (bench.llm, bench.stand_ins["llm"]):
            llm.forget = lambda room, llm=llm: forgotten.append((llm, room))
        bench.room().new_conversation()
        assert forgotten == [(bench.llm, "kitchen"), (bench.stand_ins["llm"], "kitchen")]

    async def test_the_other_works_while_the_one_that_is_wanted_loads(self):
        wanted, other = ScriptedTts(), ScriptedTts()
        wanted.load = lambda: asyncio.sleep(60)
        both = backed(wanted, other)
        both.start()
        assert await both.get(timeout=1) is other
        assert both.state is EngineState.LOADING
        await asyncio.sleep(61)
        assert await both.get(timeout=1) is wanted
        await both.close()

    async def test_where_both_fail_both_reasons_are_told(self):
        wanted, other = ScriptedTts(), ScriptedTts()

        async def fail_wanted():
            raise EngineUnavailable("the environment is missing; run: make parler")

        async def fail_other():
            raise EngineUnavailable("no such voice")

        wanted.load, other.load = fail_wanted, fail_other
        both = backed(wanted, other)
        both.start()
        with pytest.raises(EngineUnavailable, match="run: make parler; instead: no such voice"):
            await both.get(timeout=1)
        await both.close()

    async def test_one_that_is_lost_without_being_asked_is_replaced_and_closed(self):
        lost = asyncio.Event()
        closed = []

        class Remote(ScriptedTts):
            async def lost(self):
                await lost.wait()
                lost.clear()
                return EngineError("the process ended by signal 9")

            async def close(self):
                closed.append(self)

        made = []

        async def make():
            made.append(Remote())
            return made[-1]

        one = Supervised("tts", make)
        one.start()
        first = await one.get(timeout=1)
        lost.set()
        await asyncio.sleep(1)
        second = await one.get(timeout=1)
        assert second is not first
        assert closed == [first]
        assert one.restarts == 1
        await one.close()
        assert closed == [first, second]

    async def test_one_that_dies_again_and_again_is_loaded_less_and_less_often(self):
        made = []

        class Dying(ScriptedTts):
            async def lost(self):
                await asyncio.sleep(0.1)
                return EngineError("the process ended with status 1")

        async def make():
            made.append(asyncio.get_running_loop().time())
            return Dying()

        one = Supervised("tts", make)
        one.start()
        await asyncio.sleep(100)
        gaps = [later - earlier for earlier, later in itertools.pairwise(made)]
        assert gaps == sorted(gaps)
        assert len(made) < 12
        await one.close()


def test_settings_say_who_stands_in():
    from hub.engines.choices import stand_in

    assert stand_in("tts", Settings()) is None
    parler = Settings(tts=TtsSettings(engine="parler", voice="Laura", process=True))
    other = stand_in("tts", parler)
    assert other is not None
    assert (other.tts.engine, other.tts.voice, other.tts.process) == ("hibari", None, False)
    assert stand_in("tts", Settings(tts=TtsSettings(engine="parler", fallback=""))) is None
    german = Settings(language="de", tts=TtsSettings(engine="piper", model="de.onnx"))
    assert stand_in("tts", german) is None
