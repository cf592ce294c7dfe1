"""Sentences that home-assistant-intents lacks, as hassil templates.

English ones are matched against `hub.home.english.in_seconds`: politeness is off, and every
duration is "600 seconds".
`needs` marks sentences that mean a timer only where there is one.
"""

# ruff: noqa: E501 - a template is one line

from typing import Any, NamedTuple

REPEAT = "ParlourRepeat"
RESTART = "ParlourRestartTimer"
SNOOZE = "ParlourSnooze"
VOLUME = "ParlourVolume"
UNMUTE = "ParlourUnmute"


class Phrases(NamedTuple):
    """Some sentences of one intent.

    Attributes:
        intent: its name.
        templates: hassil's, one a line.
        slots: what they say without a word for it.
        needs: "timer" where they mean one only if there is one.
    """

    intent: str
    templates: str
    slots: dict[str, Any] = {}  # noqa: RUF012 - read, never changed
    needs: str = ""


RULES = {
    "a": "(a|an|the|my|this|that|our)",
    "timer": "(timer|timers|countdown|clock timer)",
    "span": "{timer_seconds:seconds} second[s]",
    "of": "{timer_seconds:start_seconds} second[s]",
    "set": "(set|start|make|create|put on|put|add|begin|run|launch|give me|get me|do|have|use"
    "|i need|i want|we need|i'd like|i would like|set up|setup|set me|start me|make me|put me on"
    "|set us|time me)",
    "cancel": "(cancel|stop|end|delete|remove|clear|turn off|switch off|shut off|kill|dismiss"
    "|abort|drop|scrap|forget|get rid of|finish|clear out)",
    "called": "(named|called|labelled|labeled|that's called|with the name|by the name of)",
    "which": "([<a>] [<of>] <timer>|[<a>] {timer_name:name} <timer>|[<a>] <of> {timer_name:name}"
    " <timer>|[<a>] <timer> (for|<called>) [<a>] {timer_name:name}|[<a>] <timer> for <of>)",
    "left": "(left|remaining|to go)",
    "goes": "(go off|goes off|is done|are done|be done|is up|be up|end|ends|finish|finishes|ring"
    "|rings|run out|runs out|is over|is finished|expire|expires|beep|beeps|ready|is ready)",
    "bit": "(a bit|a little|a little bit|slightly|some|a notch|a touch|a tad)",
    "lot": "(much|a lot|way|far)",
}

ENGLISH = (
    Phrases(
        "HassStartTimer",
        """
<set> [<a>] <timer> [going|on|up] [for|of|to|at|with|in] <span> [from now]
<set> [<a>] <span> <timer> [going|on|up]
[<a>] <span> <timer>
[<a>] <timer> [for|of] <span>
countdown [from|for] <span>
(start|set|begin|do) [<a>] countdown (from|of|for) <span>
<set> [<a>] {timer_name:name} <timer> [for|of|to|at|with] <span>
<set> [<a>] <span> {timer_name:name} <timer>
<set> [<a>] <span> <timer> (for|<called>) [<a>] {timer_name:name}
<set> [<a>] <timer> (for|<called>) [<a>] {timer_name:name} [for|of|to|at|with] <span>
<set> [<a>] <timer> [for|of|to] <span> (for|<called>) [<a>] {timer_name:name}
[<a>] <span> {timer_name:name} <timer>
[<a>] <span> <timer> (for|<called>) [<a>] {timer_name:name}
[<a>] {timer_name:name} <timer> [for|of] <span>
[<a>] <timer> [for|of] <span> (for|<called>) [<a>] {timer_name:name}
(tell|let) me [know] (when|after|in) <span> [are|is|has|have] (up|over|passed|gone by|gone)
(tell|let) me [know] in <span>
<set> [an|the|my] alarm (for|in|of) <span> [from now]
(remind|wake|alert|buzz|ping|notify|nudge) me [up] [again] in <span> [from now]
give me a (shout|nudge|ping|buzz|call|heads up) in <span>
(time|clock) [me] [for] <span>
set [<a>] time (for|of|to) <span>
""",
    ),
    Phrases(
        "HassStartTimer",
        """
<set> [<a>] timer [going|on|up]
<set> [<a>] timer [going|on|up] (for|of|to) {bare:bare}
<set> [<a>] {timer_name:name} timer
<set> [<a>] timer [on|up] (for|<called>) [<a>] {timer_name:name}
""",
    ),
    Phrases(
        "HassCancelAllTimers",
        """
<cancel> (all|every|each|both|any) [of] [<a>] timer[s]
<cancel> [<a>] timers
<cancel> [all] [of] [<a>] timers (here|in here|in this room)
(turn|switch|shut) (all|all of|both) [<a>] timers off
(turn|switch|shut) [<a>] timers off
""",
    ),
    Phrases(
        "HassCancelAllTimers",
        """
<cancel> (all|every|each|both|any) [of] [<a>] timer[s] (everywhere|in the house|in all [the] rooms|in every room|in the [whole] house)
<cancel> [<a>] timers (everywhere|in the house|in all [the] rooms|in every room)
""",
        {"everywhere": True},
    ),
    Phrases(
        "HassCancelTimer",
        """
<cancel> <which>
(turn|switch|shut) <which> off
<cancel> timing
<which> (off|cancel)
""",
    ),
    Phrases(
        "HassIncreaseTimer",
        """
(add|put|give) <span> [more|extra] (to|on|onto|on to|for) <which>
give <which> <span> [more|extra]
(increase|extend|lengthen|prolong) <which> by <span>
make <which> <span> longer
(add|put on) <span> [more|extra] [to it]
""",
    ),
    Phrases("HassIncreaseTimer", "give me <span> [more|extra]", needs="timer"),
    Phrases(
        "HassDecreaseTimer",
        """
(remove|take|subtract|deduct|cut|knock) [off] <span> (from|off|off of|of) <which>
(take|knock|cut) <span> off
(decrease|reduce|shorten|cut) <which> by <span>
make <which> <span> shorter
""",
    ),
    Phrases(
        RESTART,
        """
(restart|reset) <which>
start <which> (over|from the (start|beginning)) [again]
""",
    ),
    Phrases(
        SNOOZE,
        """
snooze [it|that|<a> (alarm|timer)] [for] [<span>]
wake me [up] again in <span>
""",
    ),
    Phrases("HassPauseTimer", "(pause|hold|freeze|halt|suspend|put on hold) <which>"),
    Phrases(
        "HassUnpauseTimer",
        """
(resume|continue|unpause|unfreeze|carry on with|go on with) <which>
(start|run) <which> again
(continue|resume) (timing|countdown|counting)
""",
    ),
    Phrases(
        "HassTimerStatus",
        """
[how much] [more] time [is|does|have|has|do] [<which>] [i|we|you|there] [have|has|got] [still] <left> [on|for|in|with] <which>
how much [more] time (is|does|has) [still] [on|for] <which> [have|has|got] [<left>]
how much [more] time is <left> [on|for] <which>
how much [more] time is on <which>
how much [more] time does <which> have [<left>]
how much [more] (does|has) <which> (have|got) [<left>]
how (much|many) [more|minutes|seconds|time] (has|does) <which> (got|have) [<left>]
how many [more] (minutes|seconds|hours) [are|is] [<left>] (on|for|in) <which>
how long [is|has|does|do] <which> [have|got] [<left>]
how long [is|are] [there] [<left>] (on|for|in|with) <which>
how long [do i have] [still] [<left>] (on|for|in|with) <which>
how [much] (long|longer) (until|till|before|for) <which> [<goes>]
how much longer [is] [<left>] [on|for|does] <which> [have|got|<left>]
how much longer (until|till|before|for) <which> [<goes>]
when (does|will|is|do) <which> [going to] <goes>
when is <which> (done|up|over|finished|ready|due)
(what is|what's|whats) (<left>|the time <left>) (on|for|in) <which>
(what is|what's|whats) the (status|state) of <which>
(what is|what's|whats) <which> (at|status)
[tell me] [the] (status|state) of <which>
<which> status
(check|check on|show|show me|tell me about|read out) <which>
how is <which> (doing|going|coming along)
how's <which> (doing|going|coming along)
how are <which> [doing|going|coming along]
is <which> [still] (on|running|going|active|set|done|finished|up|over|ready)
""",
    ),
    Phrases(
        "HassTimerStatus",
        """
(what|which|how many) timers (do i have|have i [got]|are there|are (running|on|set|active|going))
(what|which|how many) timers (do i have|have i [got]|are there) [that are] (running|on|set|active|going|left)
(do i have|have i got|are there|is there|have i [got]) (any|a) timer[s] [running|on|set|active|going]
(list|show|show me|read me|tell me|what are|read out) [all] [of] [<a>] timers
(are|is) (any|the|my) timers [still] (running|on|going|set)
how long [is|are] [<left>] (on|for) [all] [of] [<a>] timers
what timers
(what|which) timer (is|ends|goes off|rings|finishes) (next|first)
""",
        {"all": True},
    ),
    Phrases(
        "HassTimerStatus",
        """
how much [more] time [is|do i have|do we have|have i [got]] <left>
how much [more] time (do i have|do we have|have i got)
how much longer
how long [is|do i have|do we have] <left>
how many (minutes|seconds) [are] <left>
""",
        needs="timer",
    ),
    Phrases(
        "HassTimerStatus",
        """
how (much time|long) [is|do i have|do we have] <left> (on|for) [<a>] {timer_name:name}
how much longer (for|on) [<a>] {timer_name:name}
how (long|much time) (on|for) [<a>] {timer_name:name}
time (left|remaining)
""",
        needs="timer",
    ),
    Phrases(
        "HassSetVolume",
        """
(set|turn|change|put|adjust|bring|make|get) [the|your|this] (volume|sound) [level] [up|down] [to|at|on] {volume:volume_level} percent [volume]
(set|turn|change|put|bring) [it|yourself] [up|down] (to|at) {volume:volume_level} percent volume
[the|your] volume [level] [to|at|on|up to|down to] {volume:volume_level} percent
{volume:volume_level} percent volume
turn (up|down) [the|your] volume to {volume:volume_level} percent
(raise|lower|increase|decrease|reduce) [the|your] volume to {volume:volume_level} percent
(speak|talk) at {volume:volume_level} percent [volume]
""",
    ),
    Phrases(
        "HassSetVolume",
        """
(set|turn|change|put|adjust|bring|make|get) [the|your|this] (volume|sound) [level] [up|down] (to|at|on) [level|number] {tenths:tenths}
[the|your] volume [level] [to|at|on|up to|down to] {tenths:tenths}
[the|your] volume [level] [to|at|on|up to|down to] {volume_high:volume_level}
(set|turn|change|put|adjust|bring|make|get) [the|your|this] (volume|sound) [level] [up|down] (to|at|on) {volume_high:volume_level}
turn (up|down) [the|your] volume to {tenths:tenths}
(raise|lower|increase|decrease|reduce) [the|your] volume to {tenths:tenths}
""",
    ),
    Phrases(
        "HassSetVolume",
        """
(set|turn|put|bring) [the|your] volume [up|all the way up] (to|at|on) [the] (max|maximum|full|highest|the highest|the max|the maximum|full volume|100 percent)
(full|max|maximum) volume
volume [to|at] (full|max|maximum)
turn [the|your] volume all the way up
turn (it|yourself) all the way up
as loud as (possible|you can|it gets|it goes)
""",
        {"volume_level": 100},
    ),
    Phrases(
        "HassSetVolume",
        """
(set|turn|put) [the|your] volume [up|down] (to|at) (half|medium|half way|halfway)
half volume
volume [to|at] half
""",
        {"volume_level": 50},
    ),
    Phrases(
        "HassSetVolume",
        """
mute
mute (yourself|[the|your] (volume|sound|speaker))
(set|turn|put) [the|your] volume (to|at) (zero|minimum|min|the (minimum|lowest|min)|lowest)
(minimum|min|lowest) volume
volume (zero|[to|at] (minimum|min))
turn [the|your] volume (all the way down|off)
""",
        {"volume_level": 0},
    ),
    Phrases(
        UNMUTE,
        """
unmute
unmute (yourself|[the|your] (volume|sound|speaker))
turn [the|your] (volume|sound) [back] on
""",
    ),
    Phrases(
        VOLUME,
        """
(what's|what is|whats|tell me) (the|your) [current] volume [level|at|set to|now|at now]
how loud are you [now|set]
what volume are you [at|on|set to] [now]
""",
    ),
    Phrases(
        "HassSetVolumeRelative",
        """
[be|speak|talk|say it|make it|go|get] [<bit>|<lot>] louder
(louder|speak up|volume up) [<bit>|<lot>|more]
turn [the|your] (volume|sound|yourself) up [<bit>|<lot>|more]
turn up [the|your] (volume|sound) [<bit>|<lot>|more]
turn (it|yourself) up [<bit>|<lot>|more]
(increase|raise|pump up|crank up|up|boost) [the|your] (volume|sound) [<bit>|<lot>|more]
more volume
[the|your] volume [<bit>] (up|higher|louder)
make [the|your] volume [<bit>|<lot>] (louder|higher)
(you are|you're|that's|that is|it's|it is) [<bit>|<lot>] too (quiet|soft|low)
i (can't|cannot|can not|can barely|can hardly) hear you
""",
        {"volume_step": "up"},
    ),
    Phrases(
        "HassSetVolumeRelative",
        """
[be|speak|talk|say it|make it|go|get] [<bit>|<lot>] (quieter|softer|more quiet|more quietly|more softly)
(volume down|not so loud|less loud|don't be so loud) [<bit>|<lot>|more]
(quieter|softer) [<bit>|<lot>]
turn [the|your] (volume|sound|yourself) down [<bit>|<lot>|more]
turn down [the|your] (volume|sound) [<bit>|<lot>|more]
turn (it|yourself) down [<bit>|<lot>|more]
(decrease|lower|reduce|down) [the|your] (volume|sound) [<bit>|<lot>|more]
less volume
[the|your] volume [<bit>] (down|lower|quieter)
make [the|your] volume [<bit>|<lot>] (quieter|lower|softer)
(you are|you're|that's|that is|it's|it is) [<bit>|<lot>] too loud
keep it down
""",
        {"volume_step": "down"},
    ),
    Phrases(
        "HassSetVolumeRelative",
        """
(turn|bring) [the|your] volume up [by] {volume_step_up:volume_step} percent
(turn up|increase|raise) [the|your] volume [by] {volume_step_up:volume_step} percent
(turn|bring) [the|your] volume down [by] {volume_step_down:volume_step} percent
(turn down|decrease|lower|reduce) [the|your] volume [by] {volume_step_down:volume_step} percent
volume up [by] {volume_step_up:volume_step} percent
volume down [by] {volume_step_down:volume_step} percent
{volume_step_up:volume_step} percent louder
{volume_step_down:volume_step} percent (quieter|softer)
""",
    ),
    Phrases(
        REPEAT,
        """
(repeat|repeat after yourself)
repeat (that|it|this|yourself|your answer|your last (answer|sentence|reply)|the last (answer|sentence|thing|part|bit)|what you [just] said) [again|once more|one more time]
[please] say (that|it|this) (again|once more|one more time|another time)
say again
tell me (that|it) (again|once more|one more time)
what did you [just] say [to me] [again]
what was that [again]
what was that you [just] said
come again
(i beg your pardon|beg your pardon|pardon|pardon me|excuse me what)
[i'm] [sorry] (i|we) (didn't|did not|couldn't|could not) [quite] (hear|catch|get|understand) (that|you|it|what you [just] said)
(once more|one more time|again)
""",
    ),
    Phrases(
        "HassNevermind",
        """
(nevermind|never mind) [it|that|about it|about that]
(forget|forget about) (it|that)
(cancel|stop) [it|that|this]
""",
    ),
)
