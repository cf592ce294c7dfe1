"""What Parlour says of itself: who made it, what it hears, keeps and sends.

Small models say what their makers trained them to ("created by OpenAI"), or whatever they are
asked to agree with ("Yes, I record what you say"). These are facts, and about privacy, so they are
not left to a model.
"""

from hub.conversation.request_idioms import any_of
from hub.conversation.request_phrases import bare

_HERE = "I run on a computer in your home, and nothing you say leaves it."
_INTERNET = "No. I'm not connected to the internet; everything happens on a computer in your home."
_LISTENING = (
    "I wait for my wake word. Only then is what you say sent to the computer in your home that "
    "answers."
)
_KEEPING = (
    "I keep no sound. The words of our talks stay on the computer in your home, unless that is "
    "switched off."
)
_KEEPING_SOUND = (
    "I keep the sound of what you said last, but only in the memory of the computer in your home. "
    "The words of our talks stay there, too, unless that is switched off."
)
_MAKER = "I'm {name}, open-source software that runs on a computer in your home."

_FACTS = (
    (
        _KEEPING,
        r"""
(do|are|will|can|did|have) you (\w+ )?(record|remember)\w* ... (i sa(y|id)|me|my voice|us)
(do|are|will|can|did|have) you (\w+ )?(sav|stor|keep)\w* ... (i sa(y|id)|me|my voice|us)
(do|are|will|can|did|have) you (\w+ )?(record|sav|stor|keep)\w* ... (voices?|conversations?)
(do|are|will|can|did|have) you (\w+ )?(record|sav|stor|keep)\w* ... (audio|we say|sound)
(do|are|will|can) you (\w+ )?(record|sav|stor|keep)\w* everything
(is|are|was|were|am|do|does|did) ... (being |getting )?(recorded|saved|stored)$
(is|are|am) (this|that|it|i|we|my voice|our conversation) (being )?(recorded|saved|stored)
what (do|does) you (record|store|keep|save)
""",
    ),
    (
        _LISTENING,
        r"""
(are|do) you (\w+ )?(listen|hear|spy|eavesdrop)\w* ... (all the time|me|us)
(are|do) you (\w+ )?(listen|hear|spy|eavesdrop)\w* ... (everything|constantly|now|on)
(are|do) you (always |constantly |still )(listen|listening|hear|hearing|spying)
are you (spying|eavesdropping|listening)$
""",
    ),
    (
        _INTERNET,
        r"""
(are|do) you (\w+ ){0,3}(to|on|the|an|use|have|need) (the |an )?(internet|cloud|web|wifi)
(are|do) you (\w+ ){0,3}(internet|cloud|web|wifi)$
(do|have) you (\w+ )?(internet|web|wifi)( access| connection)?$
are you online$
(do|does) (you|it|this) (need|use|have|work without) (the |an )?(internet|wifi|cloud)( \w+)?$
""",
    ),
    (
        _HERE,
        r"""
(is|are|does|do) (my|our|what|anything|this) ... (sent|go|uploaded) ... (to|the)
(is|are|does|do) (my|our|what|anything|this) ... (shared|sold|leaves?|gets?) ... (to|the)
(do|will|can) you (send|share|sell|upload) ... (data|voice|conversations?|i say|recordings?)
where (are you|do you|is this) (\w+ )?(run|running|live|located|hosted|installed|based)
where (are|do) you (live|now|at|located|running)?$
who (else )?(can|could|is) (hear|listen|listening)\w* ... (me|us|this|in|to)
(is it|are you|is this) (safe|private|secure)$
""",
    ),
    (
        _MAKER,
        r"""
who (made|created|built|developed|programmed|trained|owns|designed|invented|makes|wrote) you
who (is|are) your (maker|creator|developer|owner|company|programmer)s?
(are|is) (you|this) (\w+ )?(chatgpt|gpt|openai|alexa|siri|google|gemini|claude|qwen|cortana)
what company (made|built|owns|created|are)
(who|what) are you( exactly| really)?$
what (is|are) your (name|names)$
""",
    ),
)
_KNOWN = tuple((answer, any_of(patterns)) for answer, patterns in _FACTS)


def about_itself(text: str, name: str = "Parlour", *, keeps_sound: bool = False) -> str | None:
    """Return the answer to a question about the assistant itself, or None if it is none.

    Args:
        text: what the person said.
        name: what the assistant calls itself.
        keeps_sound: whether the sound of what is said is kept for a while.
    """
    words = bare(text).text
    for answer, asked in _KNOWN:
        if asked.match(words):
            if keeps_sound and answer is _KEEPING:
                return _KEEPING_SOUND
            return answer.format(name=name)
    return None
