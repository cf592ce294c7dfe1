"""Honest answers: no claim of an action that no tool performed, no invented time or weather.

Two looks, neither with a model. Before the language model is asked, `missing_ability` answers what
clearly needs an ability that is not there. While it writes, `ReplyCheck` reads each clause before
it is spoken and puts an honest sentence in the place of a claim. English; other languages rely on
the prompt.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hub.conversation.request_answers import NOT_DONE, answer_for
from hub.conversation.request_idioms import any_of
from hub.conversation.request_phrases import Phrase, plain
from hub.conversation.request_words import DAYS, MONTHS, ROOMS, SCENES, TOPICS
from hub.conversation.requests import is_about_the_world, is_making_up, missing_ability, need_of

__all__ = ["ReplyCheck", "Review", "missing_ability"]


@dataclass(frozen=True, slots=True)
class Review:
    """What to do about one clause of a reply.

    Attributes:
        say: the clauses to speak now, in order; empty while an opener is held back.
        stop: the reply went wrong; stop the model and speak nothing more of it than `say`, which
            is an honest sentence, or nothing where something ordinary was spoken already.
    """

    say: tuple[str, ...]
    stop: bool = False


# base form, past participle, "ing" form
_ACTS = """
turn turned turning|switch switched switching|dim dimmed dimming|set set setting|add added adding
lock locked locking|unlock unlocked unlocking|open opened opening|close closed closing
start started starting|stop stopped stopping|play played playing|send sent sending
call called calling|phone phoned phoning|order ordered ordering|buy bought buying
book booked booking|schedule scheduled scheduling|create created creating
adjust adjusted adjusting|change changed changing|activate activated activating
deactivate deactivated deactivating|enable enabled enabling|disable disabled disabling
pause paused pausing|resume resumed resuming|skip skipped skipping|text texted texting
email emailed emailing|place placed placing|check checked checking|look looked looking
search searched searching|update updated updating|save saved saving|remove removed removing
delete deleted deleting|cancel cancelled cancelling|notify notified notifying
lower lowered lowering|raise raised raising|increase increased increasing
decrease decreased decreasing|reduce reduced reducing|vacuum vacuumed vacuuming
brew brewed brewing|make made making|put put putting|mute muted muting
reserve reserved reserving|pay paid paying|announce announced announcing|shut shut shutting
find found finding|arm armed arming|disarm disarmed disarming|clean cleaned cleaning
power powered powering|fetch fetched fetching|get got getting|pull pulled pulling
see seen seeing|do done doing|handle handled handling|warm warmed warming|cool cooled cooling
bring brought bringing|track tracked tracking|connect connected connecting
dial dialed dialing|ring rung ringing|remind reminded reminding|wake woken waking
preheat preheated preheating|bake baked baking|cook cooked cooking|begin begun beginning
"""
_FORMS = [act.split() for act in _ACTS.strip().replace("\n", "|").split("|")]

_WORDS = {
    "act": "|".join(act for act, _, _ in _FORMS),
    "done": "|".join(done for _, done, _ in _FORMS),
    "doing": "|".join(doing for _, _, doing in _FORMS),
    "soon": "((just|now|already|also|gladly|quickly|then|certainly|go ahead and|currently|all) )*",
    "sky": "sunny|rain(ing|y)?|snow(ing|y)?|cloudy|windy|clear|overcast|foggy|stormy|degrees|humid"
    "|warm|cold|hot|cool|chilly|freezing|mild|pleasant|nice|thunderstorms?|showers|beautiful"
    "|lovely|gorgeous",
    "today": "today|tonight|tomorrow|outside|right now|currently|at the moment"
    r"|this (morning|afternoon|evening|week\w*)|now",
    "forecast": "it is|it will be|(the )?(weather|temperature|forecast)|expect|there will be"
    "|we have|looks like|today|tonight|tomorrow|outside",
    "date": "|".join(sorted(DAYS)) + "|(" + "|".join(sorted(MONTHS)) + r") \d+\w*",
    "number": r"\d+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty"
    "|thirty|forty|fifty|sixty|seventy|eighty|ninety",
    "about": "((currently|now|about|around|exactly|approximately|almost|just|nearly|already) )*",
    "media": "clips?|songs?|video|playlist|forecast|news|headlines|latest|photos?|link",
}

# Clauses are read in plain words: "I'll" as "i will", without punctuation.
_CLAIM = any_of(
    """
... (i|we) (have )?{soon}({done})
... (i|we) (will|can|could|am going to|am able to) {soon}(be {soon}({doing})|{act})
... (let (me|us)|(happy|glad|love) to) {soon}({act})
... (i|we) (am|have been|are) {soon}({doing})
""",
    **_WORDS,
)
_DOING_IT = any_of("{soon}({doing})", **_WORDS)
_PASSIVE = any_of(
    r"""
... (is|are|was|were|(has|have) been|will be) (being )?{soon}({done}|on|off|unlocked|running)
... (is|are|was|were|(has|have) been|will be) {soon}(playing|ringing|ready|coming|at \d|\d)
""",
    **_WORDS,
)
_ALWAYS = any_of(
    r"""
... (is|are) (now|already) (on|off|open|closed|shut|locked|unlocked|running|turned|switched|dimmed)
... (i|we) (will|am going to) {soon}(remind|wake|notify|alert|let you know when)
... (i|we) (will|am going to) {soon}(call|text|message) you (an?|later|back|at|in|when|tomorrow)
... (timer|alarm|reminder)s? (set|created|cancell?ed|started|stopped)(?! (by|the|to|when))
... (timer|alarm|reminder)s? (is|are|has been|will)( now)? (set|ready|on|go|ring)(?! (by|to))
now playing
... added to (your|the) (\w+ )?(list|calendar|cart)
... your (\w+ )?(order|message|text|email|reservation|taxi|meeting) (is|has been|was|will be)
""",
    **_WORDS,
)
_FINISHED = any_of(  # only in answer to a request that may need an ability
    """
((it is|that is|all|there|you are) )?(done|all set|set|finished|completed?)( for you| now)?$
consider it done$
(will do|there you go|right away|(i am )?on it|one moment|just a (moment|second)|hold on)( please)?$
(as you wish|your wish is my command|(yes |no )?i did( it)?)$
... (i can|i will|let me) ((certainly|definitely) )?(help|assist|do (that|this|it))
... (happy|love|here|glad) to \\w+
... (currently|right now|at the moment)
what would you like (to know|me)
... (here is|here are|this is) ... ({media})
""",
    **_WORDS,
)
_OPENER = any_of(
    """
(sure( thing)?|okay?|of course|certainly|absolutely|got it|right away|no problem|all? ?right)$
(yes|yep|yeah|no|definitely|gladly|great|perfect|understood|will do|with pleasure|you got it)$
(as you wish|right|one moment|just a (moment|second)|hold on|sounds good|good (night|morning))$
(hi|hello|hey|well|oh|let me see|here you go|hm+)$
"""
)
_CLOCK = any_of(
    r"""
... (it is|that is|now|time( {today})? is|hour is) {about}\d{1,2} \d\d
... (it is|that is|now|time( {today})? is|hour is) {about}({number})( ({number}))? (oclock|am|pm)
... (it is|that is|now|time( {today})? is|hour is) {about}((half|quarter) past|noon|midnight|20\d\d)
... (it is|that is|now|time( {today})? is|hour is) {about}({date})
... (time|hour) is {about}({number})
... (todays?|tomorrow|todays date|the date) is (the )?({date}|\d+\w*)
... the current (date|day|year) is (the )?({date}|\d+\w*)
... there (are|is) (\w+ )?({number}) \w+ (left |to go )?(until|till|before|left)
""",
    **_WORDS,
)
_TRADED = re.compile(
    r"\b(?:gas|petrol|diesel|oil|gold|silver|stocks?|shares?|bitcoins?|dollars?|euros?|pounds?)\b"
)
_PRICE = re.compile(r"[$€£]\s?\d|\d\s?(?:dollars|euros|pounds|cents)\b")
_WEATHER = any_of(
    r"""
... ({forecast}) ... ({sky}) ... ({today})
... ({forecast}) ... ({today}) ... ({sky})
... it is (an?|such an?) (\w+ )?({sky}) (day|morning|evening|afternoon|night)
... it is ({number}) (degrees )?.*({sky})
(yes |no )?the (weather|temperature) (is|will be) (\w+ ){0,2}({sky}|\d+)
""",
    **_WORDS,
)
_UNREAL = any_of(  # "the lamp is on only when ...", "you would ...", "I can't ..."
    """
... (cant|cannot|couldnt|wont|unable|not|no|never|nothing|if|when|whenever|once|unless|until)
... would (?!be (happy|glad)|love to|like to help)
... (should|might|imagine|suppose|wish|say|says|said|called|means|example|without)
... call you (?!an? |later|back|at|in|when|tomorrow)
... you (can|could|may|need|have to)
"""
)
_SETTING = any_of("(if|when|whenever|once|unless|suppose|imagine|say|to|for example)")
_FINITE = any_of(
    """
... (is|are|was|were|can|could|will|would|may|might|must|should|has|have|had|helps?|makes?|means?)
... (requires?|involves?|takes?|gives?|allows?|uses?|saves?|keeps?|lets?|does|do|causes?|needs?)
"""
)
_ASKS = any_of("... (is|are|has|have|did|was|what|who|which|how)")
_EVERYTHING = (
    frozenset(("everything", "house", "device", "ambulance", "police", "delivery")) | ROOMS | SCENES
)


class ReplyCheck:
    """Reads the clauses of one reply before they are spoken.

    Give every clause to `review` in order, and call `finish` when the model has ended by itself:

        review = check.review(clause)
        for clause in review.say: speak it
        if review.stop: stop the model, speak nothing more

    A request that touches on the home, the time and the like is read strictly: offers ("I can
    help you with that"), things said to be done and states of the home count as claims, and an
    opener ("Sure,") is held back and given with the next clause, since it is already half a claim.
    In ordinary conversation only a clear claim of the first person, or of the present time or
    weather, is stopped, and nothing is ever held. Where something ordinary was spoken before a
    claim, the reply just ends there: "I can't do that" in its middle would make no sense.
    Fiction, translation and the like are not checked.

    Args:
        request: what the person said.
        abilities: those that tools provide (`hub.conversation.requests.need_of` has the names);
            claims about them are the tools' business and pass.
        time: what to say in the place of a time that the model claims; None where it is not known.

    Attributes:
        strict: whether the request is read strictly.
    """

    def __init__(
        self, request: str, abilities: frozenset[str] = frozenset(), time: str | None = None
    ) -> None:
        self._abilities = abilities
        self._time = time
        self._fiction = is_making_up(request)
        need = need_of(request)
        self._need = None if need is None or need.ability in abilities else need
        # some ability serves it: what the reply says of it is then that tool's business
        served = need is not None and need.ability in abilities
        self.strict = not served and is_about_the_world(request)
        self._priced = self.strict or _TRADED.search(request.lower()) is not None
        self._asks = _ASKS.search(request.lower()) is not None
        self._held: list[str] = []
        self._spoken = False

    def review(self, clause: str) -> Review:
        """What to do about the next clause, as the splitter gave it (a raw slice)."""
        if self._fiction:
            return Review((clause,))
        honest = self._instead(clause)
        if honest is not None:
            self._held.clear()
            return Review(() if self._spoken and self._need is None else (honest,), stop=True)
        self._held.append(clause)
        opener = all(_OPENER.match(segment) for segment in _segments(clause))
        if self.strict and opener:
            return Review(())
        self._spoken = self._spoken or not opener
        return self.finish()

    def finish(self) -> Review:
        """The reply ended: what was held back, an opener that nothing came after."""
        say, self._held = tuple(self._held), []
        return Review(say)

    def _instead(self, clause: str) -> str | None:
        """The honest sentence to say instead of the clause, or None when the clause may pass."""
        sentence = plain(_unmarked(clause))
        if _SETTING.match(sentence):
            return None
        if self._priced and "news" not in self._abilities and _PRICE.search(clause):
            return self._answer("news")
        if "clock" not in self._abilities and _CLOCK.search(sentence):
            return self._answer("clock")
        real = _UNREAL.search(sentence) is None
        if "weather" not in self._abilities and real and _WEATHER.search(sentence):
            return self._answer("weather")
        opening = True
        for segment in _segments(clause):
            ability = None if _UNREAL.search(segment) else self._claim(segment, opening)
            opening = opening and _OPENER.match(segment) is not None
            if ability is not None and ability not in self._abilities:
                state = ability == "home" and self._asks and not _CLAIM.search(segment)
                return (
                    self._need.answer
                    if self._need
                    else answer_for("home", "check")
                    if state
                    else NOT_DONE
                )
        return None

    def _claim(self, segment: str, opening: bool) -> str | None:
        """The ability that a claimed action is about ("any" when it names none), or None."""
        about = _about(segment) or ("any" if self.strict else None)
        if _ALWAYS.search(segment):
            return about or "any"
        if self.strict and _FINISHED.search(segment):
            return "any"
        doing = opening and _DOING_IT.match(segment) and not _FINITE.search(segment)
        if about is None or doing or _CLAIM.search(segment):
            return about
        return about if self.strict and about != "any" and _PASSIVE.search(segment) else None

    def _answer(self, ability: str) -> str:
        if ability == "clock" and self._time:
            return self._time
        return self._need.answer if self._need else answer_for(ability)


def _about(segment: str) -> str | None:
    """The ability that a clause's things belong to."""
    phrase = Phrase(segment)
    for ability, things in TOPICS.items():
        if phrase.has(things):
            return ability
    return "home" if phrase.has(_EVERYTHING) else None


def _unmarked(clause: str) -> str:
    """A clause without what it quotes."""
    return re.sub(r"[\"“][^\"“”]*[\"”]", " ", clause)


def _segments(clause: str) -> Iterable[str]:
    """The parts of a clause between commas and conjunctions, in plain words."""
    parts = re.split(r"[,;:!?…—–()]|\.(?=\s|$)|\b(?:and|but|so)\b", _unmarked(clause), flags=re.I)  # noqa: RUF001 - dashes
    return [words for part in parts if (words := plain(part))]
