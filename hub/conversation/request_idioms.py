r"""Set phrases: requests, and questions of knowledge, that are told by their turn of phrase.

One a line. A line begins where the phrase begins, or anywhere in it after "...", which stands for
any words; it ends at the end of a word, or with "$" at the end of the phrase. Round brackets group
alternatives, {name} is a list of words from below; all else is a regular expression.
"""

import re
from collections.abc import Iterator, Mapping

from hub.conversation.request_words import COUNTS, LANGUAGES, ROOMS

_LISTS = {
    "notone": r"me\b|us\b|an?\b|it\b|the (truth|time|difference)|there|joke|wh|if|how",
    "parcel": "package|parcel|order|delivery|shipment|groceries|pizza",
    "goodness": "safe|okay?|bad|good|better|dangerous|possible|true|legal|healthy|normal|worth"
    "|rude|hard|easy|wrong",
    "placed": "home|at the|in the|there|here|up|outside|been",
    "any": "(the|any|my|our|your|it|all|both|there|we|they|you|this|that|these)",
    "on_it": r"(on|for|in) (the|my) ((?!year)\w+ ?)+",
    "count": "|".join(sorted(COUNTS)),
    "language": "|".join(sorted(LANGUAGES)),
    "rooms": "|".join(sorted(ROOMS)),
    "outside": "outside|out there|out",
    "help": "ambulance|police|fire department|fire brigade|nine one one|911|112|999",
    "vehicle": "flight|bus|train|tram|metro|subway|plane|ferry",
    "contest": "game|match|race|election|fight|bowl|derby|final|lottery",
    "goods": "bitcoins?|gold|silver|oil|gas|petrol|diesel|stocks?|shares?|tesla|nvidia|crypto"
    "|dollar|euro",
    "unit": "day|date|month|year|week|season|century|quarter",
    "moment": "is|was|will|are|do|it|today|tomorrow|yesterday|we|this|be|have|in|now|on|next"
    "|\\w+day|of the (week|month|year)|\\w+ days",
    "reached": "called?|text(ed)?|email(ed)?|phoned?|messaged?|write|reply|answer|ring|rang",
    "person": "anyone|anybody|somebody|someone|everyone|people",
    "nearby": "near me|near here|near us|nearby|around here|from here|close to here|in my area"
    "|in town",
    "now": "(now|here|there|right now|today|exactly|currently|on the clock|over there"
    r"|at the moment|(over )?(in|for|by) (?!history|point)\w+( \w+){0,3})",
    "exact": "(current |exact |right |local |correct )?",
}

_REQUESTS = r"""
[calls/emergency]
(call|phone|dial|ring|get|i need|need|send) ... ({help})
[calls/phone]
(find|locate|ring|where is|call) my (\w+ )?(phone|tablet|ipad|iphone|mobile|watch)
[calls]
(drop|give) (my )?\w+( \w+)? a (call|ring|buzz|line)
get \w+( \w+)? on the (phone|line)
(pick up|answer|answer (the |my )?(phone|call|door))$
put me through
get hold of
let (?!me\b|us\b|it\b|there\b)(my |the )?\w+ know
(tell|ask|inform|notify|warn) (?!{notone})\w+
(who|(did|has|have) \w+) ({reached})( (me|us|back))*$
what did (?!you|i|we)\w+ (say|write|want)$
what did (?!you|i|we)\w+ (say|write|want) ... (message|email|text)
any missed
have i got mail
[timers/alarm]
(wake|get) (me|us|\w+ \w+) (up|at|in|out of bed|tomorrow|by)
wake (me|us)
i (have|need) to be up
i need (waking|to be woken|to get up)
[timers/reminder]
... remind (me|us) (?!what|how|why|who|where)
remind (me|us)$
... do not let (me|us) forget
remember to
(alert|notify|ping|warn|nudge|poke) (me|us)
(tell|let) (me|us) (know )?(when|in|at|after|if|to)
... (heads up|tell me to)
[timers]
(count down|time (me|us|this|it)) ... (seconds?|minutes?|hours?)
give me (an? )?\w+( \w+)? (seconds|minutes|hours?)
how (long|many \w+|much (?!battery|power)\w+) ... (left|remaining|to go)( {on_it})?$
how much time (do|have) i (have|got)
[lists/note]
(write|note|jot) (that|this|it|down)
(make|take) a note
... remember that$
[lists]
we (are|are running) (out|low) (of|on)
we have (no|run out of)
we need (?!help|advice)(some |more )?\w+$
what do (i|we) need
add (?!\d|({count})\b)(some |more )?\w+$
[calendar]
(am i|are we) (free|busy|available)
what (am i|are we) doing
what (do|have) (i|we) (have|got|on)
(have|do) (i|we) (got |have )?(anything|something|plans)
(cancel|move) my \w+ (oclock|meeting|lesson|class)
what is( going on| happening)?( on)? (today|tomorrow|tonight|this week) for (me|us)
what (is my next|is planned|is scheduled|time is my)
(clear|free|block) ... my
put \w+ with \w+
which meetings
[shopping/account]
(pay|transfer|send|wire) ... (bills?|money|dollars?|euros?|pounds?|rent|bucks)
... my (\w+ )?(balance|account)
... money (do i have|have i got|is in)
[shopping/parcel]
(track|where|when|has|did|is|what) ... (my|the|our) ({parcel})
[shopping/book]
(get|find) (me|us) a table
check (me )?in
i (want|would like|need) to (book|reserve)
[shopping]
i (want|would like|need) to (order|buy|purchase)
get me (some|an?|more) (new )?\w+ from
[volume]
(turn|speak|talk) (it |that |yourself )?(up|down)\b(?! (the|my)\b)
(raise|lower) your
((be|speak|talk|make it|play it|say that|a|bit|little|much|more) )*(louder|quieter|softer|quietly)
(that|it) is (\w+ )?(too|very|so) (loud|quiet)$
volume
[media/song]
who (is|sings|sang) (this|that|playing|singing)( this| song| by| singing)?$
what is (playing|(this|that) (song|track|tune))
(what|which) (song|track|tune|album|artist|band) is (this|that|playing)
[media]
i am in the mood for (some )?(music|jazz|\w+ music)
i (want|would like|would love|feel like|need) ... (listen\w*|hear|watch\w*)
let (me|us) (hear|listen|watch)
(how about|something|(can|could) we have|i need) ... (music|tunes|songs?|jazz|beat|movie|play)
some \w+( \w+)? in the ({rooms})$
(next|previous|last|another|different) (song|track|episode|chapter|station|channel|tune)$
(next|previous) one$
(skip|pause|fast forward)$
put on (?!the\b|my\b|a\b)(some |something )?\w+
put (?!.*\b(the|my|it|kettle|lights?|heating|tv|lamp)\b).* on$
[weather/sun]
what is the (sunset|sunrise)
(when|what time|has|is) ... (sunset|sunrise|sun (sets?|rises?|goe?s?|comes?)|get (dark|light))
[weather]
what should i wear (today|tomorrow|tonight|outside|this)
... (hang|dry) ... (outside|washing|laundry)
... (uv index|pollen|air quality|wind speed)
... (chances?|odds|risk|probability) of (rain|snow|storm|showers?|thunder|hail)
what (is it|is|will it|is tomorrow) (going to )?((be|do|like) )*({outside}|tomorrow|like$)
what is it (like|going to)
how is (it|the sky|things) ... (look\w*|outside|sky)
(any|a) (chance|sun|rain|snow|storm)
what is the (current |outside |outdoor )?(high|low|wind|temperature)(?!.*\b(in here|in the|of)\b)
what temperature (is|will) it( be)?( (out|outside|today|now))?$
((current|todays|tomorrows|the|local) )?(temperature|rain|snow|forecast|weather)(?!.* (is|was))
does it look
will (i|we) (get wet|freeze)
how many degrees is it
is (a|the) (storm|rain|snow) (coming|on)
when (will|is|does) it ... (rain|snow|warm|cold)
[clock]
what time( is it| it is| is)?( {now})*$
what time( do (you|we) (have|make it)| have you got| of day is it)( {now})*$
(what is|have you got|do you have|got|you have|give me|tell me) the {exact}time( is it)?( {now})*$
(what is|give me|got|tell me) {exact}time {now}$
(the |current |local )*time( check| {now})?$
(what is )?the hour$
how late (is it|it is)
what (does|is) the clock
(am i|are we) (too |very |running )*(late|early)$
do (i|we) (have|need) to hurry
when do (i|we) (have|need) to (leave|go)
is it (\w+ )?time (for|to)
has it (gone|struck)
[clock/date]
(what|which|what is)( the| todays| tomorrows| our)? {exact}({unit})( ({moment}))*$
(the |todays |tomorrows )*(date|day)( today)?$
what is (today|tomorrow)$
how (long|many \w+) (has it been |have passed |is it )?since(?!.*\bwar\b)
when is the next (full moon|holiday|leap year|new moon|weekend|\w+day)
[home/check people]
who (is|was|just|has) at (the|my|our) \w*(door|gate)
who (is|was|just|has) (just |that )?(home(?! alone)|here|there|in|outside|upstairs|rang|rung)
((is|are|was|were|has|have) )?(there )?({person}) ... ({placed})(?!.*\b(mars|world|moon))
how many people are (here|home|in the (house|room|garden))
[home/do lights]
it is (\w+ ){0,2}(dark|dim|bright|gloomy) ... (here|room|hall)
it is too (dark|bright)$
let there be light
... (some|more) light
make it (\w+ )?(dark|bright)$
[home/do heating]
it is (\w+ ){0,3}(cold|hot|warm|cool|chilly|stuffy|freezing) ... (in here|in the|in this|inside)
[home/do]
do (something about )?(it|that|this)$
(take|snap|record) (an?|me) (\w+ )?(picture|photo|selfie|video)
run (me )?(a|the) bath
lock up
(feed|water|walk|let) (the|my|our) \w+
(make|brew|get) (me |us )?(an? |some )?(coffee|tea|espresso|toast|cocoa)$
(mop|vacuum|hoover|mow)$
start (vacuuming|mopping|mowing|cleaning|washing)
[news/where]
where (am i|are we)
(find|locate) (my|our)
what is my (location|address|ip)
where (is|are|did i (put|leave|park)) (my|our|the (cars?|keys?|remote|kids))
[news/nearby]
... ({nearby})
... (nearest|closest)(?! (star|planet|galaxy|prime|relative|living))
where can i (get|buy|find|eat)
[news/transport]
(when|what time|is|has|are|will|how late) ... (my|the next|next|the) (\w+ )?({vehicle})(?! an? )
[news/hours]
(is|are) (?!{any} )\w+( \w+)? (open|closed)( late| now| today)?$
(when|what time) (do|does|is|will) (?!a\b)\w+( \w+)* (opens?|closes?|shuts?)
[news/traffic]
... traffic(?! (engineer|light|cone))(?<!what is traffic)
how (long|far) ... (my|our|the) (commute|drive|trip|walk)
how (long|far) ... (get|drive|walk|take me) (to|home|into)(?!.* moon)
are there (any )?(delays|roadworks)
[news/score]
who (is |has )?(won|winning|wins?|leading) (the|last|this) (\w+ )?({contest})$
(did|have|has) (the )?\w+( \w+)? (win|won|lose|lost|score|beat)(?!.*\bwar\b)
... scores?
... (were|are) the (\w+ )?results$
(who|which team) is (leading|winning)
how did (the |my )?(?!you|it\b|i\b|we\b)\w+( \w+)? (do|get on|play|go|close)$
[news/price]
... (prices?|worth|cost|rate|value|doing|trading|at) (of )?.*({goods}|apple)
... ({goods}|apple stock|market) ... (prices?|worth|doing|trading|at|now|today)$
... the ({goods}) worth
how much (is|are|does|do) (\w+ ){0,2}({goods})( (in|of|at) \w+)?( cost| worth)?$
is (the )?({goods}|market|stock market) (up|down)
how (is|are) (the )?(\w+ )?({goods}|markets?|economy) (doing|looking)
prices?
... prices? ... (here|now|today)$
... (exchange rate|lottery|lotto)
how much .* in (\w+ )?(dollars?|euros?|pounds?|yen)
[news/tv]
(what|which) (\w+ )?(is|are) (on|playing|showing) ... (tv|television|telly|cinema|netflix|tonight)
what movies are
[news/online]
(is it|how) (busy|crowded)
... trending
look (it |this |that )?up
(go|check|look) ... (online|internet|web|wikipedia)
[news/news]
... (the|any|latest|todays|read|local|breaking|sports) (\w+ )?(news|headlines)
news
... news (today|now|update)
(what is|anything) (going on|happening|new) in
"""

_KNOWLEDGE = r"""
how (do|does|did|can|could|would|should|come|to|is a|are (?!my|our|the)|about a)
how many \w+ (are|is|does|do|did)( there)? (in )?an?
how much does it cost
how long (does|do|should|did)
(why|explain|describe|compose|compare|convert|recommend|suggest|teach|about|name|count(?! down))
who (invented|made|wrote|discovered|built|created|sang|owns|painted|was)
what (does (?!my|our|the clock)|causes|makes|happens|if|do you)
what is (a|an) (?!chance)
what (would|should i (?!wear)|can i|could i)
should i (?!wear|take|bring|put|hang|need|\w+ (an?|the|my|some) (\w+ )?(umbrella|coat|jacket))
(can|could|may) i (?!hang|have|get|wear|go)
when (did|was|were)
is it ({goodness})
list(?! my)
tell me (an?|about|something|more|how|why)
what is the (difference|meaning|purpose|history|point|best|(?!near|lat|clos)\w+est|capital|opposite)
let us (talk|chat)
what (is|are) (some |an? )?(good|nice|great)
are you
do you (?!have the|know)
have you ever
which is \w+er
(see|talk to) you
have a
(is|are) (an? |the )?(?!all|any|both|it|there|today|tomorrow|my)\w+ (an?|more|less|better) \w+
... (recipe|your favou?rite)
what is (the )?(news cycle|order of)
what is (time|news|weather|light)$
"""

_OF_THE_PRESENT = r"""
how (do|does|did|is|are) ... (last night|yesterday|today|outside|go)$
how did (the )?\w+( \w+)? (do|go|play|close)$
how long (do i have|does it take (me )?to (get|drive|walk) (to|home))
(is|are|was) (the|my|our|we) ... (outside|open|closed|on|off|locked|running|ready|full)
"""

_TOLD = r"""
i (?!want|need|would|feel like|have to be up|am in the mood)\w+
my \w+ (did|was|wo|\w+ed|(?!lights|alarms|timers|doors)\w+s)
(it|he|she|they|this) (was|were|is not|has)
the \w+ (is|are|was|were) (?!on$|off$)
turning
for \w+ing
"""

_OF_WORDS = r"""
... (in|into) ({language})
... (sing|fairy ?tale|tongue twister|make up|role ?play)
(say|repeat|spell|define|write(?! (this|that|it) down))
... does .* mean
play (\w+ )*games?
start (over|again)$
let me (tell|say|think|explain)
play a (trick|prank|role)
"""


def _compiled(line: str, lists: Mapping[str, str]) -> str:
    """One line as a regular expression, with no group that captures."""
    for name, words in (_LISTS | dict(lists)).items():
        line = line.replace("{" + name + "}", words)
    anywhere, line = line.startswith("... "), line.removeprefix("... ")
    line = re.sub(r"\((?!\?)", "(?:", line.replace(" ... ", r"\b.*\b"))
    return (r"\b" if anywhere else "^") + line + ("" if line.endswith("$") else r"\b")


def any_of(lines: str, **lists: str) -> re.Pattern[str]:
    """A pattern that fits where one of the lines does, written as this module says.

    Args:
        lines: the idioms, one a line.
        lists: what stands for {name} in them, beside the module's own.
    """
    return re.compile("|".join(_compiled(line, lists) for line in lines.strip().split("\n")))


def _by_need(text: str) -> Iterator[tuple[str, re.Pattern[str]]]:
    for section in text.strip().removeprefix("[").split("\n["):
        need, _, lines = section.partition("]\n")
        yield need, any_of(lines)


REQUESTS = tuple(_by_need(_REQUESTS))
"""Needs, as `hub.conversation.request_grammar.need_in` gives them; the first that fits counts."""
KNOWLEDGE = any_of(_KNOWLEDGE)
"""How things are in general, advice, and questions about the assistant."""
OF_THE_PRESENT = any_of(_OF_THE_PRESENT)
"""What begins like a question of knowledge and is not."""
TOLD = any_of(_TOLD)
"""Things told, with nothing asked for: "my lamp is broken"."""
OF_WORDS = any_of(_OF_WORDS)
"""Translations, songs, words to repeat."""
