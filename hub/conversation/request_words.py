"""The words that requests are made of, in English; see `hub.conversation.requests`.

Patterns see a request in lower case, without punctuation or apostrophes, with its politeness taken
off, and "what is" and "how is" written as "whats" and "hows".
"""

import re
from dataclasses import dataclass

LIGHTS = (
    r"(?:lamps?|lights?|lighting|(?:light ?)?bulbs?|chandelier|leds?|nightlight|night light"
    r"|christmas tree|spotlights?|downlights?|floodlights?)"
)
HEATING = (
    r"(?:heat|heater|heating|thermostat|radiators?|boiler|ac|a c|air con(?:ditioner|ditioning)?"
    r"|fireplace|underfloor heating|humidifier|dehumidifier)"
)
OPENINGS = (
    r"(?:doors?|garage|gates?|windows?|blinds?|shutters?|curtains?|shades?|drapes|awning|locks?"
    r"|skylight|roller blinds?)"
)
APPLIANCES = (
    r"(?:fans?|oven|stove|kettle|cooker|coffee (?:machine|maker)|dishwasher|washing machine"
    r"|washer|dryer|fridge|freezer|microwave|tv|television|telly|vacuum|robot|roomba|hoover|mower"
    r"|plugs?|outlets?|sockets?|switch(?:es)?|sprinklers?|cameras?|doorbell|purifier|projector"
    r"|hot tub|pool pump|hood|toaster|computer|pc|laptop|printer|iron|appliances?|devices?"
    r"|security system|(?:burglar|house|home|security) alarm|laundry|extractor|router|wifi"
    r"|wi fi|boiler|electric blanket|car charger|charger|car)"
)
DEVICE = rf"(?:{LIGHTS}|{HEATING}|{OPENINGS}|{APPLIANCES})"
ROOM = (
    r"(?:bed ?rooms?|living ?room|kitchen|bath ?room|hall(?:way)?|office|study|basement|cellar"
    r"|attic|garage|nursery|kids ?room|dining ?room|lounge|den|house|home|room|garden|porch"
    r"|patio|greenhouse|flat|apartment|upstairs|downstairs|inside|indoors|in here|pool|fridge"
    r"|freezer|oven|car|shed|conservatory)"
)
MINE = r"(?:the|my|our|all|any|every|all the|any of the|all of the|both)"
MUSIC = (
    r"(?:music|songs?|tracks?|tunes?|playlists?|albums?|radio|podcasts?|audiobooks?|jazz|rock"
    r"|pop|classical|blues|techno|lofi|lo fi|beatles|spotify|netflix|youtube|disney|hulu"
    r"|movies?|films?|videos?|shows?|station|bbc|npr|white noise|rain sounds|lullaby"
    r"|lullabies|soundtrack)"
)
LATER = (
    r"(?: (?:today|tonight|tomorrow|now|outside|out|out there|there|currently|right now|later|soon"
    r"|this (?:morning|afternoon|evening|week|weekend|week end)|on \w+day|at the weekend"
    r"|the weekend|next week(?:end)?|at the moment|yet|still|again|here|around here|at night"
    r"|today or tomorrow|(?:for |in |on |at |over )(?!general|winter|summer|spring|autumn|fall"
    r"|theory|space|mars|venus|jupiter|saturn|mercury|average)\w+(?: \w+)?))"
)
SKY = (
    r"(?:rain(?:ing|y)?|snow(?:ing|y)?|sunny|cloudy|windy|storm(?:ing|y)?|fogg?y|hail(?:ing)?|icy"
    r"|pour(?:ing)?|drizzl(?:e|ing)|freez(?:e|ing)|thunder(?:storm)?|clear up|overcast)"
)
FEEL = r"(?:cold|hot|warm|cool|chilly|nice|humid|dry|wet|bright|muggy|mild|frosty|slippery)"
WEAR = (
    r"(?:umbrella|jacket|coat|raincoat|sunscreen|sun cream|sweater|jumper|scarf|gloves|boots|hat"
    r"|sunglasses|shorts|rain ?coat)"
)
DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_COUNT = r"(?:\d+|\w+)"


@dataclass(frozen=True, slots=True)
class Rule:
    """A request that matches the pattern needs the ability; the answer says that it is missing."""

    ability: str
    pattern: re.Pattern[str]
    answer: str


def rules(ability: str, answer: str, *patterns: str) -> list[Rule]:
    """Rules that share an ability and an answer."""
    return [Rule(ability, re.compile(pattern), answer) for pattern in patterns]


MAKING_UP = re.compile(
    r"\b(?:story|tale|poem|haiku|limerick|rhyme|joke|riddle|lyrics|screenplay|essay|novel|pretend"
    r"|imagine|role ?play|translate|translation|repeat after me|make up|fairy ?tale|dialogue"
    r"|pun|tongue twister)\b|\bin (?:french|spanish|german|italian|latin|japanese|chinese"
    r"|portuguese|dutch|polish|russian|swedish|korean|arabic|hindi)\b|\bsing (?:me )?a?\b"
    r"|^(?:say|repeat|spell|define)\b|\bwhat does .* mean\b"
)
"""Fiction, translations and words about words: nothing in them is asked for or claimed."""

KNOWLEDGE = re.compile(
    r"\brecipe\b|^whats (?:time|news|weather)$"
    r"|^(?:whats|what|hows|how|is|does|do|are|can|did)\b.*\b(?:mars|venus|jupiter|saturn|mercury"
    r"|neptune|uranus|pluto|titan|the moon|space|planets?)\b|"
    r"^(?:how (?:do|does|did|can|could|would|should|come|to|is a|are)\b(?!.*\b(?:last night"
    r"|yesterday|today|go)$) "
    r"|how much does it cost|how long (?:does|do|should|did)|why\b|explain\b|describe\b"
    r"|who (?:invented|made|wrote|discovered|built|created)|what (?:does|causes|makes|happens if)\b"
    r"|whats (?:a|an) (?!chance)|should i (?:turn|leave|buy|open|close|lock|use)|is it (?:safe|ok"
    r"|okay|bad"
    r"|good|dangerous|possible|true|legal|healthy)|what would|what should i (?:cook|call|name|say)"
    r"|write\b|compose\b|tell me (?:a|about|something)\b|about\b|list\b|give me (?:a|some) "
    r"(?:tips?|recipe|ideas?|advice|example)|whats the (?:difference|meaning|purpose|history|point)"
    r"|i (?:turned|played|set|opened|closed|locked|switched|bought|called|ordered|had|was|am|like"
    r"|love|hate|think)\b|my \w+ (?:did|does|is|was|has|keeps|wont)\b|it was\b"
    r"|the (?:lights|lamp|door|heating|weather) (?:is|are|was|were) (?!on$|off$))"
)
"""Questions about how things work, and things told: for the language model."""
TOPICS = re.compile(
    rf"\b(?:{LIGHTS}|{HEATING}|{OPENINGS}|{APPLIANCES}|{MUSIC}|timers?|alarms?|remind(?:ers?)?"
    r"|calendar|appointments?"
    r"|weather|forecast|temperature|outside|rain|snow|sunny|time|clock|date|today|tomorrow|tonight"
    r"|yesterday|now|currently"
    r"|news|price|score|traffic|message|text|email|call|order|buy|book|list|note|volume|louder"
    r"|warmer|colder|brighter)\b"
    r"|^(?:turn|switch|set|play|put|open|close|lock|start|stop|send|add|cancel|check|make (?:it"
    r"|the|sure|my)|bring|get|keep|move|run|show|find"
    r"|dark|too|its (?:too|so|very|really)|im (?:cold|hot|freezing|leaving|home|tired)|save|delete"
    r"|remove|print|scan)\b"
)
"""Words that come near to an ability: a reply to them is looked at more strictly."""
