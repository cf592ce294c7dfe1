"""What is said instead of an ability that is missing; spoken, so short and to the point."""

_ANSWERS = {
    "clock/until": "I can't work that out, since I have no clock or calendar.",
    "clock/date": "I can't tell the date, since I have no clock or calendar.",
    "clock": "I can't tell the time, since I have no clock.",
    "weather/sun": "I can't work that out: I don't know the date or where we are.",
    "weather": "I can't check the weather. I have no forecast and can't look outside.",
    "timers/alarm": "I can't do that. Say, set an alarm for seven.",
    "timers/reminder": "I can't do that. I can remind you in ten minutes, or at five.",
    "timers": "I can't tell what to do. Say, set a timer for ten minutes.",
    "media/song": "I can't hear or see what is playing.",
    "media/pictures": "I can't show pictures or videos. I can only talk.",
    "media": "I can't play or control music, since no player is connected to me.",
    "volume": "I can't do that. I can only speak louder or quieter.",
    "calls/emergency": "I can't make calls. If this is an emergency, please use a phone.",
    "calls/phone": "I can't find or ring your phone, since it isn't connected to me.",
    "calls/inbox": "I can't see your calls or messages.",
    "calls": "I can't make calls or pass on messages, since I have no phone.",
    "calendar": "I can't see or change your calendar.",
    "lists/note": "I can't take notes yet, sorry.",
    "lists": "I can't keep lists yet, so please write that one down.",
    "shopping/account": "I can't see your accounts or move money.",
    "shopping/parcel": "I can't track orders or deliveries.",
    "shopping": "I can't order or book anything, since I'm not connected to the internet.",
    "news/news": "I can't follow the news, since I'm not connected to the internet.",
    "news/score": "I can't look up results, since I'm not connected to the internet.",
    "news/price": "I can't look up prices, since I'm not connected to the internet.",
    "news/traffic": "I can't see the traffic or plan routes.",
    "news/transport": "I can't look up timetables, since I'm not connected to the internet.",
    "news/hours": "I can't look up opening times, since I'm not connected to the internet.",
    "news/where": "I can't see where you or your things are.",
    "news/tv": "I can't look up what's on, since I'm not connected to the internet.",
    "news/mine": "I can't know that. I only know what you tell me.",
    "news/nearby": "I can't search for places, since I don't know where we are.",
    "news": "I can't know that. I'm not connected to the internet.",
    "home/check people": "I can't see or hear who comes and goes.",
    "home/check temperature": "I can't measure that, since I have no sensors in the home.",
}


_SPOKEN = {
    "tv": "TV",
    "pc": "PC",
    "washing": "washing machine",
    "coffee": "coffee machine",
    "floor": "vacuum",
}

NOT_DONE = "I can't actually do that. I can only talk."
"""Said in the place of a claim that something was or will be done."""

CANT_EITHER = "I can't do that either, sorry."
CANT_TELL_EITHER = "I can't tell you that either, sorry."
STILL_NOT = "I'm sorry, I still can't."
NOT_DONE_YET = "No, I can't do that."
"""The answers to "and in the hall?", "what about tomorrow?", "try again" and "did you do it?"."""


def answer_for(ability: str, detail: str = "") -> str:
    """The honest sentence for a missing ability; `detail` says what of it, where that is known."""
    exact = _ANSWERS.get(f"{ability}/{detail}") or _ANSWERS.get(ability)
    if exact is not None:
        return exact
    verb, _, thing = detail.partition(" ")
    thing = f"the {_SPOKEN.get(thing, thing)}" if thing else "that"
    if verb == "check":
        return f"I can't check {thing}, since no sensors are connected to me."
    if thing == "that":
        return "I can't do that, since nothing in this home is connected to me."
    return f"I can't control {thing}, since nothing in this home is connected to me."
