"""English sentences about alarms and reminders that are set: what there is, and away with it.

(`hub.home.reminders` has those that set them.)
"""

# ruff: noqa: E501 - a template is one line

from hub.home.phrases import Phrases

ALARMS = tuple(
    Phrases(intent, templates.replace("THINGS", f"{what}s").replace("THING", what), slots, needs)
    for what in ("alarm", "reminder")
    for intent, templates, slots, needs in (
        (
            "HassCancelTimer",
            """
<cancel> [<a>] [next] THING
(turn|switch|shut) [<a>] THING off
""",
            {"what": what},
            what,
        ),
        (
            "HassCancelAllTimers",
            """
<cancel> (all|every|each|both|any) [of] [<a>] (THING|THINGS)
<cancel> [<a>] THINGS
(turn|switch|shut) [all] [of] [<a>] THINGS off
""",
            {"what": what},
            what,
        ),
        (
            "HassTimerStatus",
            """
(what|which|how many) THINGS (do i have|have i [got]|are there|are (on|set|active)) [set|on|active]
(do i have|have i got|are there|is there|have i [got]) (any|a|an) (THING|THINGS) [set|on|active]
(list|show|show me|read me|tell me|check|what are|read out) [all] [of] [<a>] THINGS
(what are|what is|what's|whats|when is|when's|when are|check) (my|the) [next] (THING|THINGS) [set for|set to|for]
(what time|when) (is|does|will) (my|the) [next] THING [set for|set to|for|at|go off|ring]
what time (do i have|have i [got]) (my|an|the) THING [set for|for|at]
is (my|the|there an|there a) THING [still] (on|set|active)
how long (until|till|before) (my|the) [next] THING [<goes>]
""",
            {"what": what, "all": True},
            "",
        ),
    )
)
