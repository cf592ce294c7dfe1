"""Requests about the home: its state, its lights, heating, doors and appliances."""

from hub.conversation.request_words import (
    APPLIANCES,
    DEVICE,
    HEATING,
    LIGHTS,
    MINE,
    OPENINGS,
    ROOM,
    Rule,
    rules,
)

_HOME = "no home devices are connected to me."
_LIGHT_ANSWER = f"I can't control lights: {_HOME}"
_HEAT_ANSWER = f"I can't change the heating or cooling: {_HOME}"
_DOOR_ANSWER = f"I can't move or lock anything: {_HOME}"
_DEVICE_ANSWER = f"I can't control that: {_HOME}"
_STATE_ANSWER = f"I can't check that: {_HOME}"

_ON_OFF = r"(?:on|off|up|down|out)"
_SWITCH = r"^(?:turn|switch|power|shut|flip|put|click|leave|keep|get)"
_HANDLE = (
    r"^(?:open|close|shut|raise|lower|lift|roll (?:up|down)|pull (?:up|down)|draw|lock|unlock|start"
    r"|stop|run|pause|resume|activate|deactivate|disable|enable|arm|disarm|heat|cool|warm|preheat"
    r"|boil|set|change|adjust|increase|decrease|reduce|turn|switch|toggle|flip|dim|brighten"
    r"|light|illuminate|clean|charge|reboot|restart|unplug|move|put|bring|make|use)"
)

HOME_RULES: tuple[Rule, ...] = (
    *rules(
        "home",
        _STATE_ANSWER,
        rf"^(?:is|are|was|were|did|has|have|check|make sure|see)\b.*\b{MINE} "
        rf"(?:\w+ ){{0,3}}{DEVICE}\b.*\b(?:on|off|open"
        r"|opened|closed|shut|locked|unlocked|running|charging|charged|full|armed|still|finished"
        r"|done|ready|dimmed"
        r"|plugged|online|empty)\b",
        r"^(?:did|have|has) (?:you|i|we|anyone|someone|somebody|he|she|they)\b.*\b(?:turn|switch"
        r"|lock|clos|open|leave"
        rf"|left|shut|start|set|run)\w*\b.*\b(?:{DEVICE}|it|everything)\b",
        r"^(?:whats|how (?:warm|cold|hot|cool|humid|bright|dark)|hows) .*\b(?:temperature"
        r"|humidity|warm|cold|hot|cool|humid"
        rf"|bright|dark|heat|air)\b.* (?:in (?:the|my|our) (?:\w+ )?{ROOM}|inside|indoors|in here"
        r"|upstairs|downstairs"
        rf"|at home)$",
        r"^(?:how (?:warm|cold|hot|cool|humid|bright|dark)|what temperature) (?:is|are) it\b.*\b"
        rf"(?:in (?:the|my|our) (?:\w+ )?{ROOM}"
        r"|inside|indoors|in here|upstairs|downstairs|at home)$",
        r"^is the (?:\w+ )?(?:cat|dog|baby|kids?|children|mail|post) (?:inside|outside|in|out"
        r"|asleep|awake|home|here)$",
        r"^(?:is|are|was) (?:there )?(?:anyone|anybody|someone|somebody)\b.*\b(?:house|home|garden"
        r"|room|upstairs|downstairs|inside|outside|door)$",
        r"^did the (?:\w+ )?(?:cat|dog|baby|kids?|children|alarm|door|doorbell|mail|post)\b",
        r"^is everything (?:al ?right|ok|okay|fine|in order|off|on|locked|closed)\b(?! with you)",
        r"^(?:what|who|when|has|did|is)\b.* (?:the|my|our) (?:\w+ ){0,3}(?:cameras?|doorbell)\b",
        r"^(?:has |is )?(?:anyone|anybody|someone) (?:been (?:in|at|outside|here)|in|at|outside)\b",
        r"^who (?:just )?(?:rang|knocked|came)\b.*",
        r"^(?:the )?(?:\w+ ){0,3}cameras?$",
        r"^how (?:warm|cold|hot|cool|humid|bright|dark) (?:is|are) (?:it|the|my|our)"
        rf"(?: \w+)? ?{ROOM}$",
        r"^whats the (?:thermostat|heating|ac|oven|boiler|fan)\b.*",
        rf"^(?:which|what|how many) (?:of (?:the|my) )?{DEVICE} (?:are|is|did|do i have (?:on"
        r"|open))\b.*",
        r"^(?:whos|who is|who was|is (?:someone|somebody|anyone|anybody|there (?:someone|anyone"
        r"|somebody|anybody)))"
        r"\b.*\b(?:at|outside|ringing|rang|knocking)\b.*\b(?:door|doorbell|gate|outside|house)\b",
        r"^(?:is|was|are|whos|who is) (?:anyone|anybody|someone|everyone|\w+|the kids)? ?"
        r"(?:at )?home$",
        r"^(?:show|open|whats on|check|view|pull up)(?: me)?\b.*\b(?:cameras?|doorbell|webcam"
        r"|video feed)\b",
        r"^(?:did|has|when did) (?:someone|somebody|anyone|anybody|the|my|our) .*\b(?:door"
        r"|doorbell|gate|rang?|motion)\b.*",
        r"^(?:how much (?:power|electricity|energy|water|gas) (?:am|are|is|did|do|have)|is there "
        r"(?:any )?motion"
        r"|whats (?:my|our|the) (?:power|energy|electricity) (?:use|usage|consumption))\b.*",
        r"^(?:whats the |hows the |check (?:the |my ))(?:\w+ )?battery\b.*",
    ),
    *rules(
        "home",
        _LIGHT_ANSWER,
        rf"{_SWITCH}\b.*\b{LIGHTS}\b.*",
        rf"^(?:kill|cut|hit|get|bring up|fade|lower) (?:\w+ ){{0,3}}{LIGHTS}\b",
        rf"^set (?:the )?(?:\w+ )?{ROOM} to\b",
        rf"{LIGHTS}\b.* should be (?:on|off|out)$|^(?:illuminate|light up) (?:the|my|our|this)\b",
        r"^(?:dim|brighten)\b(?! (?:my|your) (?:day|mood|view))",
        rf"{_HANDLE}\b(?: \w+){{0,5}} {LIGHTS}\b",
        rf"^(?:(?:the|all|all the|my|more|some|less|full) )?(?:\w+ ){{0,3}}{LIGHTS}(?: (?:in|at) "
        r"(?:the )?\w+(?: \w+)?)? "
        r"(?:on|off|out|up|down|to \w+(?: percent)?|please|\d+ ?(?:percent|%)|red|blue|green"
        r"|white)$",
        r"^(?:let there be|give (?:me|us)|i (?:want|need)) (?:some |more |less )?lights?\b(?! "
        r"(?:meal|dinner|lunch|reading"
        r"|snack|breakfast))$",
        r"^make (?:it|the \w+(?: \w+)?|this room) (?:\w+ )?(?:brighter|darker|dimmer|lighter)\b",
        r"^lights?$",
    ),
    *rules(
        "home",
        _HEAT_ANSWER,
        rf"{_SWITCH}\b.*\b(?:{HEATING}|temperature)\b",
        rf"{_HANDLE}\b(?: \w+){{0,4}} (?:{HEATING}|temperature)\b",
        rf"^(?:(?:the|all the|my) )?(?:\w+ ){{0,2}}{HEATING} (?:on|off|up|down|to \w+(?: \w+)?)$",
        r"^(?:id|i would|we would|wed) (?:like|prefer|love) it (?:\w+ ){0,2}(?:warmer|cooler"
        r"|colder|hotter|brighter|darker)$",
        rf"^(?:bump|crank|nudge|push|kick)\b.*\b(?:{HEATING}|temperature)\b",
        r"^make (?:it|the \w+(?: \w+)?|this room|my room|us) (?:\w+ ){0,2}(?:warmer|colder|cooler"
        r"|hotter|warm|cool|cosy|cozy)\b",
        r"^(?:cool|warm|heat) (?:it|the|my|this|up|down|down the|up the)\b(?: \w+)*$",
    ),
    *rules(
        "home",
        _DOOR_ANSWER,
        r"^(?:open|close|shut|raise|lower|lift|lock|unlock|draw|roll (?:up|down)|pull (?:up|down)"
        r"|bolt|unbolt)"
        rf"\b(?: \w+){{0,4}} (?:{OPENINGS}|house|home|everything|car|shed)\b",
        rf"^(?:(?:the|all|all the|my) )?(?:\w+ ){{0,2}}{OPENINGS} (?:open|closed?|shut|up|down"
        r"|locked)$",
        r"^(?:lock up|lock it|unlock it|close it|open it|let (?:me|him|her|them) in|buzz (?:me|him"
        r"|her|them) in)\b",
        r"^(?:set|put|turn|move|adjust|make sure)\b(?: \w+){0,4} (?:blinds?|shutters?|curtains?"
        r"|shades?|door|lock)\b",
    ),
    *rules(
        "home",
        _DEVICE_ANSWER,
        rf"{_SWITCH}\b.*\b(?:{DEVICE}|everything|it|that|them|this|all|those"
        rf"|everybody)\b.*\b{_ON_OFF}\b",
        rf"^(?:turn|switch|power|shut|put) {_ON_OFF}\b(?! (?:a |some |my |your )?(?:leaf|coat"
        r"|clothes|shoes|weight|charm))",
        rf"^(?:turn|switch|power|shut) (?:\w+ ){{1,5}}{_ON_OFF}$",
        rf"{_HANDLE}\b(?: \w+){{0,4}} {APPLIANCES}\b",
        r"^(?:arm|disarm)\b.*",
        rf"^(?:(?:the|all|all the|my) )?(?:\w+ ){{0,2}}(?:{APPLIANCES}|everything|all) (?:on|off"
        r"|up|down)$",
        r"^(?:vacuum|hoover|mop|sweep|clean|dust|scrub) (?:up )?(?:the|my|our|under|here"
        r"|this) ?\w*\b(?! and tell)",
        r"^(?:water|mow|feed|walk) (?:the|my|our) \w+",
        r"^(?:make|brew|cook|bring|fetch|get|prepare) (?:me|us) (?:a |an |some |the |my )?"
        r"(?:cup of |pot of |fresh |nice )?"
        r"(?:coffee|tea|espresso|cappuccino|latte|breakfast|lunch|dinner|sandwich|snack|beer|drink"
        r"|water|food)\b",
        r"^(?:brew|make)(?: (?:some|a))?(?: (?:pot|cup) of)? (?:coffee|tea)$",
        r"^(?:activate|deactivate|start|enable|disable|set|run|trigger|turn on|switch to|go to"
        r"|execute) (?:the |my |a )?"
        r"(?:\w+ ){0,2}(?:mode|scene|routine|automation|script)\b(?! (?:for|of))",
        r"^(?:take out|empty|do|wash|fold) (?:the|my) (?:trash|bin|rubbish|laundry|dishes|clothes"
        r"|garbage)$",
        r"^(?:print|scan|take|record|run|draw) (?:me )?(?:this|the|my|a|an) (?:page|document"
        r"|picture|photo|selfie|screenshot|bath|shower|video"
        r"|letter|file)\b",
        r"^(?:vacuum|hoover|mop)\b",
        r"^let the (?:\w+ )?(?:dog|cat|dogs|cats) (?:in|out)\b",
        r"^(?:reboot|restart|shut down)\b(?: the| my| your\w*| this)?(?: \w+)?$",
    ),
)
