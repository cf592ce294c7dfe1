"""What the language model is told before anything is said.

The text is the same, byte for byte, for every turn, so that its prefill is done once and kept:
what changes (the clock, the room, what a tool answered) belongs after it, never in it.

Measured on Qwen2.5-Coder-0.5B-Instruct: a long list of what the assistant cannot do makes it
refuse stories, jokes and small talk ("I'm sorry, but I can't assist with that"); saying first that
it should be helpful, and the limits once at the end, does not. Asking for a short opening phrase
changed nothing, since this model opens with "Sure, ..." by itself.
"""

DEFAULT_PERSONA = "You are warm, calm and to the point."


def system_prompt(persona: str = DEFAULT_PERSONA, name: str = "Parlour") -> str:
    """Return the system prompt: 82 tokens (Qwen2.5) with the default persona.

    Args:
        persona: one or two sentences on character and manner, from the settings.
        name: what the assistant calls itself.
    """
    return (
        f"You are {name}, a voice assistant. {persona.strip()} "
        "Everything you say is spoken aloud: one to three short sentences, no lists, no markdown, "
        "no emoji. Be helpful: answer questions, tell stories and jokes, and chat. You know "
        "nothing about the time, weather, news or this home, and you cannot do things, only talk: "
        "say so honestly."
    )
