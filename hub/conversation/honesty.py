"""Honest answers: no claim of an action that no tool performed, no invented time or weather.

Two looks, neither with a model. Before the language model is asked, `missing_ability` answers what
clearly needs an ability that is not there. While it writes, `ReplyCheck` reads each clause before
it is spoken and puts an honest sentence in the place of a claim. English; other languages rely on
the prompt.
"""

import re
from dataclasses import dataclass

from hub.conversation.requests import is_about_the_world, is_making_up, missing_ability, need_of

__all__ = ["ReplyCheck", "Review", "missing_ability"]

NOT_DONE = "I can't actually do that. I can only talk."
NOT_KNOWN = {
    "clock": "I can't tell the time or the date: I have no clock.",
    "weather": "I can't check the weather: I have no forecast and no sensors.",
    "home": "I can't check that: no home devices are connected to me.",
    "news": "I can't look that up: I'm not connected to the internet.",
}


@dataclass(frozen=True, slots=True)
class Review:
    """What to do about one clause of a reply.

    Attributes:
        say: the clauses to speak now, in order; empty while an opener is held back.
        stop: the reply went wrong; stop the model. `say` then holds the honest sentence, and
            nothing else of the reply is to be spoken or remembered.
    """

    say: tuple[str, ...]
    stop: bool = False


_EFFECTS = {
    "home": r"lamps?|lights?|bulbs?|heat(?:er|ing)?|thermostat|temperature|radiators?|boiler|a\.?c"
    r"|air con\w*|fans?|ovens?|stove|kettle|doors?|garage|gate|windows?|blinds?|shutters?|curtains?"
    r"|locks?|tv|television|dishwasher|washing machine|washer|dryer|laundry|vacuum|robot|roomba"
    r"|cameras?|sprinklers?|plugs?|appliances?|devices?|coffee|security|everything|brightness"
    r"|scene|mode|house|room",
    "timers": r"timers?|alarms?|reminders?|countdown|stopwatch",
    "media": r"music|songs?|tracks?|playlists?|albums?|radio|podcasts?|movies?|films?|videos?|jazz"
    r"|audiobooks?|spotify|netflix|youtube",
    "volume": r"volume",
    "calls": r"calls?|messages?|texts?|e-?mails?|phone|contacts?|ambulance|police",
    "calendar": r"calendar|meetings?|appointments?|events?|schedule|agenda",
    "lists": r"lists?|notes?|basket|cart",
    "shopping": r"orders?|pizza|tables?|taxi|cab|uber|tickets?|flights?|reservations?|bookings?"
    r"|payments?|purchases?|package",
    "news": r"internet|web|online|search results|latest|news|headlines|traffic|prices?|scores?"
    r"|weather|forecast",
}
_EFFECT = {ability: re.compile(rf"\b(?:{words})\b") for ability, words in _EFFECTS.items()}

_DONE = (
    r"(?:turned|switched|dimmed|set|added|locked|unlocked|opened|closed|started|stopped|played"
    r"|sent|called"
    r"|phoned|ordered|bought|booked|scheduled|created|adjusted|changed|activated|deactivated"
    r"|enabled|disabled"
    r"|paused|resumed|skipped|texted|e-?mailed|placed|checked|looked|searched|updated|saved"
    r"|removed|deleted"
    r"|canceled|cancelled|reminded|notified|lowered|raised|increased|decreased|reduced|vacuumed"
    r"|brewed|made|put"
    r"|muted|reserved|paid|announced|done|shut|found|armed|disarmed|cleaned|powered|begun|warmed"
    r"|cooled|preheated)"
)
_DO = (
    r"(?:turn|switch|dim|set|add|lock|unlock|open|close|start|stop|play|send|call|phone|order|buy"
    r"|book|schedule"
    r"|create|adjust|change|activate|deactivate|enable|disable|pause|resume|skip|text|e-?mail"
    r"|place|check|look"
    r"|search|update|save|remove|delete|cancel|notify|lower|raise|increase|decrease|reduce|vacuum"
    r"|brew|make|put"
    r"|mute|reserve|pay|announce|shut|find|arm|disarm|clean|power|fetch|get|pull|see|do|handle"
    r"|take care|warm|cool"
    r"|bring|track|connect|dial|ring)"
)
_DOING = (
    r"(?:turning|switching|dimming|setting|adding|locking|unlocking|opening|closing|starting"
    r"|stopping|playing"
    r"|sending|calling|phoning|dialing|ordering|buying|booking|scheduling|creating|adjusting"
    r"|changing|activating"
    r"|deactivating|enabling|disabling|pausing|resuming|skipping|texting|emailing|placing|checking"
    r"|looking"
    r"|searching|updating|saving|removing|deleting|cancell?ing|lowering|raising|increasing"
    r"|decreasing|reducing"
    r"|vacuuming|brewing|making|putting|muting|shutting|arming|cleaning|powering|fetching|getting"
    r"|pulling)"
)
_SOON = (
    r"(?:just|now|already|also|gladly|happily|quickly|then|right away|certainly|be|be happy to"
    r"|go ahead and)"
)

# "I've turned on ...", "I set ...", "Lights turned off"
_DID = re.compile(rf"\b(?:i(?:'ve| have| just|'ve just)?|we(?:'ve| have)?) (?:{_SOON} )*{_DONE}\b")
# "I'll turn ...", "let me check", "I'm turning ...", "I can turn ..."
_WILL = re.compile(
    r"\b(?:i'll|i will|i'm going to|i am going to|i'm gonna|let me|let's|i can|i could"
    r"|i'm able to|allow me to"
    r"|i'd be happy to|i'd love to|i would be happy to|happy to|i'm happy to|glad to) "
    rf"(?:{_SOON} )*{_DO}\b"
    rf"|\b(?:i'm|i am|i'll be|i've been) (?:{_SOON} )*{_DOING}\b"
)
_GERUND = re.compile(rf"^(?:{_SOON} |currently )*{_DOING}\b")
_FINITE = re.compile(
    r"\b(?:is|are|was|were|can|could|will|would|may|might|must|should|has|have|had|helps?|makes?"
    r"|means?"
    r"|requires?|involves?|takes?|gives?|allows?|uses?|saves?|keeps?|lets?|does|do|causes?"
    r"|needs?)\b"
)
_PASSIVE = re.compile(
    r"\b(?:is|are|'s|'re|has been|have been|was|were|will be) (?:now |already |all |being "
    r"|currently )*"
    rf"(?:(?:{_DONE}|on|off|locked|unlocked|running|playing|ringing|set|ready|coming|armed|dimmed)"
    r"(?: now| already"
    r"| (?:on|off|up|down|in|for|to|at|as)\b.*)?$|(?:turned|switched) (?:on|off))"
)
_NOW_STATE = re.compile(
    r"^(?:okay |yes |the |your |all |all the ).*\b(?:is|are) (?:now|already) (?:on|off|open|closed"
    r"|shut|locked|unlocked"
    r"|running|turned (?:on|off)|switched (?:on|off)|dimmed|set\b.*|at \d.*)$"
)
_ALWAYS = re.compile(
    r"\b(?:i'll|i will|i'm going to) (?:remind|wake|notify|alert|let you know when|call you"
    r"|text you|message you)\b"
    r"|\b(?:your|the) (?:timer|alarm|reminder)s? (?:is|are|has been|have been|'s|will)(?: now)? "
    r"(?:set|ready|on|go|ring"
    r"|created|cancell?ed|running|off|stopped)\b"
    r"|\b(?:timer|alarm|reminder) (?:set|created|cancell?ed|started)\b|^now playing\b"
    r"|\badded to (?:your|the) (?:\w+ )?(?:list|calendar|cart)\b"
    r"|\byour (?:\w+ )?(?:order|message|text|email|reservation|booking|taxi|meeting|appointment) "
    r"(?:is|has been|was|will be)\b"
)
_OPENER = re.compile(
    r"^(?:sure(?: thing)?|ok(?:ay)?|of course|certainly|absolutely|got it|right away|no problem"
    r"|alright|all right"
    r"|yes|yep|yeah|definitely|gladly|great|perfect|understood|will do|with pleasure|you got it"
    r"|as you wish|right"
    r"|consider it done|one moment|just a (?:moment|second)|hold on|sounds good|good night|hi"
    r"|hello|hey|well|let me see"
    r"|i can help(?: you)?(?: with that)?|i'd be happy to help(?: you)?(?: with that)?"
    r"|happy to help|here you go|hmm?"
    r"|let me help(?: you)?(?: with that)?|absolutely yes|oh)$"
)
_FINISHED = re.compile(
    r"^(?:(?:it's |it is |that's |all |there )?(?:done|all set|all done|set|finished|completed?"
    r"|taken care of)"
    r"|(?:you're )?all set|consider it done|will do|there you go|right away|on it|i'm on it"
    r"|one moment"
    r"(?: please)?|just a (?:moment|second)|hold on|as you wish|your wish is my command)"
    r"(?: for you| now)?$"
)

_NUMBER = (
    r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen"
    r"|fifteen|twenty"
    r"|thirty|forty|fifty|sixty|seventy|eighty|ninety|half past|quarter)"
)
_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_MONTH = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december)"
)
_CLOCK = re.compile(
    r"\b(?:it is|it's|that's|now|time is|time's)(?: currently| now| about| around| exactly"
    r"| approximately| almost| just"
    rf"| nearly| already)* (?:\d{{1,2}}[:.]\d{{2}}|{_NUMBER}(?:[ -]{_NUMBER})? (?:o'clock|am|pm"
    r"|a\.m|p\.m)"
    rf"|{_DAY}\b|{_MONTH} \d|noon\b|midnight\b|(?:half|quarter) past)"
    r"|\b(?:hour|time)(?: right now| now| here| there| in [\w ]+)? (?:is|'s)(?: now| currently"
    r"| about"
    rf"| approximately)* {_NUMBER}\b"
    r"|\b(?:today's|today|tomorrow|tomorrow's|the current)(?: date| day| year| month| time)?"
    r"(?: is|'s)(?: the| a)? "
    rf"(?:{_DAY}|{_MONTH}|\d|{_NUMBER}\b|first|second|third)"
    rf"|\b(?:the )?(?:current )?(?:date|day|year) (?:today |now )?is (?:{_DAY}|{_MONTH}|\d|the \d"
    r"|20\d\d|twenty)"
    r"|\b(?:it's|it is) (?:currently |now )?(?:20\d\d\b|the (?:year|\d+(?:st|nd|rd|th)))"
    r"|\b(?:there are|there's|there is) (?:still |about |only |exactly )*(?:\d+"
    rf"|{_NUMBER})[\w -]* (?:days?|weeks?|months?|hours?) "
    r"(?:left |to go )?(?:until|till|before|left)\b"
)
_SKY = (
    r"(?:sunny|rain(?:ing|y)?|snow(?:ing|y)?|cloudy|cloud|windy|clear(?: skies)?|overcast|foggy"
    r"|storm[ys]?|stormy"
    r"|degrees|°|humid|warm|cold|hot|cool|chilly|freezing|mild|pleasant|nice|thunderstorms?"
    r"|showers|partly)"
)
_NOW = (
    r"(?:today|tonight|tomorrow|outside|right now|currently|at the moment|this (?:morning"
    r"|afternoon|evening|week\w*)"
    r"|now|forecast|over the weekend|there)"
)
_WEATHER = re.compile(
    r"\b(?:it's|it is|it will|it'll|it's going to|the weather|the temperature|the forecast"
    r"|weather is|temperature is"
    r"|expect|today|tonight|tomorrow|outside|we have|there will|there's|there is"
    rf"|looks like)\b.*\b{_SKY}.*\b{_NOW}\b"
    r"|\b(?:it's|it is|the weather|the temperature|the forecast|temperature is|it will|it'll"
    r"|today|tomorrow"
    rf"|outside|tonight)\b.*\b{_NOW}\b.*\b{_SKY}"
    rf"|\b(?:it's|it is|sunny|cloudy)\b.*(?:\d|{_NUMBER}) ?(?:degrees|°).*\b(?:and"
    rf"|with)\b.*\b{_SKY}"
    r"|\b(?:it's|it is) (?:a|such a) (?:\w+ )?(?:beautiful|lovely|sunny|nice|gorgeous|rainy|cold"
    r"|hot|warm"
    r"|cloudy|windy|snowy) (?:day|morning|evening|afternoon|night)\b"
    rf"|\b(?:it's|it is) (?:currently|now) (?:raining|snowing|sunny|cloudy|\d+ ?(?:degrees|°))"
)
# "the lamp is on only when ...", "you would ...", "I can't ..."
_UNREAL = re.compile(
    r"\b(?:can't|cannot|can not|couldn't|couldn|won't|unable|don't|do not|didn't|did not|haven't"
    r"|have not|isn't|aren't|not"
    r"|no|never|nothing|if|when|whenever|once|unless|until|would|should|might|imagine|suppose|wish"
    r"|say|says|said|called"
    r"|so that|means|example|without|wouldn't|call you (?!an? |later|back|at|in|when|tomorrow)"
    r"|you can|you could|you may|you need|you have to"
    r"|in order)\b"
)
_FIRST_PERSON = re.compile(r"\bi\b|\bi'|\bme\b|^\w+ing\b")
_QUESTION = re.compile(r"\b(?:is|are|has|have|did|was|what|who|which|how)\b")
_HERE_IT_IS = re.compile(
    r"\b(?:here's|here is|here are|this is) .*\b(?:clips?|songs?|video|playlist|forecast|news"
    r"|headlines"
    r"|latest|photos?|link)\b"
)
_SETTING = re.compile(r"^(?:if|when|whenever|once|unless|suppose|imagine|say|to|for example)\b")


class ReplyCheck:
    """Reads the clauses of one reply before they are spoken.

    Give every clause to `review` in order, and call `finish` when the model has ended by itself:

        review = check.review(clause)
        for clause in review.say: speak it
        if review.stop: stop the model, speak nothing more

    An opener ("Sure,") to a request that touches on the home, the time and the like is held back
    and given with the next clause, since "Sure," is already half a claim; in ordinary
    conversation, where speech should begin early, nothing is ever held. Fiction, translation and
    the like are not checked.

    Args:
        request: what the person said.
        abilities: those that tools provide (`hub.conversation.requests.need_of` has the names);
            claims about them are the tools' business and pass.
    """

    def __init__(self, request: str, abilities: frozenset[str] = frozenset()) -> None:
        self._abilities = abilities
        self._fiction = is_making_up(request)
        need = need_of(request)
        self._need = None if need is None or need.ability in abilities else need
        # some ability serves it: what the reply says of it is then that tool's business
        served = need is not None and need.ability in abilities
        self._strict = not served and is_about_the_world(request)
        self._asks = _QUESTION.search(request.lower()) is not None
        self._held: list[str] = []

    def review(self, clause: str) -> Review:
        """What to do about the next clause, as the splitter gave it (a raw slice)."""
        if self._fiction:
            return Review((clause,))
        honest = self._instead(clause)
        if honest is not None:
            self._held.clear()
            return Review((honest,), stop=True)
        self._held.append(clause)
        if self._strict and all(_OPENER.match(s) for s in _segments(clause)):
            return Review(())
        return self.finish()

    def finish(self) -> Review:
        """The reply ended: what was held back, an opener that nothing came after."""
        say, self._held = tuple(self._held), []
        return Review(say)

    def _instead(self, clause: str) -> str | None:
        """The honest sentence to say instead of the clause, or None when the clause may pass."""
        sentence = _plain(clause)
        if not _SETTING.match(sentence):
            if "clock" not in self._abilities and _CLOCK.search(sentence):
                return self._honest("clock")
            if "weather" not in self._abilities and _WEATHER.search(sentence):
                return self._honest("weather") if not _UNREAL.search(sentence) else None
        for segment in _segments(clause):
            ability = self._claims(segment, sentence)
            if ability is not None and ability not in self._abilities:
                if self._need is None:
                    state = ability == "home" and not _FIRST_PERSON.search(segment)
                    return NOT_KNOWN["home"] if state and self._asks else NOT_DONE
                return self._need.answer
        return None

    def _claims(self, segment: str, sentence: str) -> str | None:
        """The ability that a claimed action is about ("any" when it names none), or None."""
        if _UNREAL.search(segment) or _SETTING.match(sentence):
            return None
        about = next((a for a, words in _EFFECT.items() if words.search(segment)), None)
        if about is None and self._strict:
            about = "any"
        if _ALWAYS.search(segment):
            return about or "any"
        if self._strict and (_FINISHED.match(segment) or _HERE_IT_IS.search(segment)):
            return "any"
        if about is None:
            return None
        if about == "home" and _NOW_STATE.search(segment):
            return about
        if _DID.search(segment) or _WILL.search(segment):
            return about
        if _GERUND.match(segment) and not _FINITE.search(segment):
            return about
        return about if self._strict and about != "any" and _PASSIVE.search(segment) else None

    def _honest(self, ability: str) -> str:
        return self._need.answer if self._need else NOT_KNOWN[ability]


def _plain(clause: str) -> str:
    """A clause in lower case, straight apostrophes, without markup and what it quotes."""
    text = clause.lower().replace("’", "'")  # noqa: RUF001 - typographic apostrophe
    text = re.sub(r"[*_`#]|[^\x00-\u2fff]", "", re.sub(r"[\"“][^\"“”]*[\"”]", " ", text))
    return " ".join(text.split())


def _segments(clause: str) -> list[str]:
    """The parts of a clause between commas and conjunctions, plain, without end punctuation."""
    parts = re.split(r"[,;:!?…—–()]|\.(?=\s|$)|\b(?:and|but|so)\b", _plain(clause))  # noqa: RUF001 - dashes
    return [part.strip(" .'-") for part in parts if part.strip(" .'-")]
