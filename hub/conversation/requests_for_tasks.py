"""Requests for tasks: timers, lists, calendar, media, purchases, calls and messages."""

from hub.conversation.request_words import MUSIC, Rule, rules

_VOLUME = "I can't change my volume yet."
_CALLS = "I can't make calls or send messages: no phone is connected to me."
_CALENDAR = "I can't see or change a calendar: none is connected to me."
_TIMERS = "I can't set timers, alarms or reminders, or check them, yet."
_MEDIA = "I can't play music or video: no player is connected to me."

TASK_RULES: tuple[Rule, ...] = (
    *rules(
        "calls",
        "I can't make calls. If this is an emergency, please call for help from a phone.",
        r"^(?:call|phone|dial|ring|get me|get|i need) (?:me )?(?:an? |the )?(?:ambulance|police"
        r"|fire (?:department|brigade)|nine one one|911|112|999|doctor right)\b",
    ),
    *rules(
        "volume",
        _VOLUME,
        r"\bvolume\b.*\b(?:up|down|to|by|percent|%|max|maximum|higher|lower|off)\b",
        r"^(?:raise|lower|increase|decrease|set|change|mute|turn (?:up|down)|reduce) (?:the "
        r"|your )?"
        r"(?:volume|sound)\b",
        r"^(?:turn|speak|talk) (?:it |the (?:sound|music|radio) |yourself )?(?:up|down)\b"
        r"(?! (?:the |my )?\w)",
        r"^(?:(?:speak|talk|be|make it|play it|say that|a (?:bit|little)) )?(?:a (?:bit|little) "
        r"|much "
        r"|more )?(?:louder|quieter|quietly|softer)\b",
        r"^sound (?:on|off|up|down)$|^(?:raise|lower) your (?:voice|volume)",
        r"^(?:un)?mute(?: yourself| it| the (?:sound|music|speaker))?$",
    ),
    *rules(
        "timers",
        _TIMERS,
        r"^(?:set|start|create|make|add|put|give|cancel|stop|pause|resume|delete|clear|remove"
        r"|turn off"
        r"|switch off|turn on|snooze|dismiss|extend|reset|i need|schedule|check|silence|change)\b.*"
        r"(?<!security )(?<!house )(?<!burglar )(?<!smoke )\b(?:timers?|alarms?|reminders?"
        r"|countdown|stopwatch)\b",
        r"^(?!(?:arm|disarm|what|who|why|how|when|where|which|is|a|an)\b)(?:\w+ ){0,4}(?:timer"
        r"|countdown|alarm|reminder)(?: (?:for|of|at|to|in) .+)?$(?<!what)"
        r"(?<!an alarm)(?<!a timer)",
        r"^(?:timer|alarm)\b(?! clock)",
        r"^(?:when|in) (?:\w+ ){0,3}(?:minutes?|seconds|hours?) (?:is |are |have )?(?:up|over"
        r"|passed|gone|done)$",
        r"^(?:get|nudge|poke|ping) (?:me|us) (?:up |out of bed )?(?:at|in|when|by|tomorrow)\b",
        r"\bremind (?:me|us) (?:to|in|at|about|that|on|when|tomorrow)\b",
        r"^wake (?:me|us)\b",
        r"^remind (?:me|us)\b",
        r"^(?:dont|do not) let me forget\b",
        r"^(?:alert|notify|tell|ping|warn) me (?:when|in|at|after|if)\b",
        r"^let me know (?:when|in|at|after)\b",
        r"^snooze\b",
        r"\b(?:time|long|minutes|seconds)\b.*\b(?:left|remaining|to go)\b(?:.*\btimer\b|$)",
        r"^(?:when|what|which|how many|is|are|do i have|whats|have i)\b.*\b(?:my |the |any )?"
        r"(?:alarms|timers|reminders)\b",
        r"^(?:when|is|whats|hows|did|does)\b.* (?:my|the) (?:next )?(?:alarm|timer|reminder)\b",
        r"^count down (?:from )?\w+ (?:seconds|minutes)",
        r"^(?:what|when) (?:time )?(?:will|do|does|is) (?:you|my alarm|the alarm) (?:wake|go|ring"
        r"|set)",
    ),
    *rules(
        "lists",
        "I can't keep lists or notes yet.",
        r"^(?:add|put|write|remove|delete|take|cross|check|tick|clear|read|include|note|save"
        r"|get)\b.*"
        r"\b(?:shopping|grocery|groceries|to ?do|packing|my|the|our|wish|bucket) ?list\b",
        r"^(?:whats|what do (?:i|we) have|is there|how many|what|are)\b.*\bon (?:my|the"
        r"|our) .*\blist\b",
        r"^(?:jot|note) down\b|^(?:take|make|write|leave) (?:a|me a|this) (?:quick )?note\b|^"
        r"(?:note|write|jot) "
        r"(?:down\b|that"
        r"|this) down"
        r"|^write down\b|^(?:add|save) (?:a|this|to) (?:my )?notes?\b",
        r"^(?:read|whats (?:in|on)|show|clear|empty|open)(?: me)? (?:my|the|our) (?:shopping"
        r"|grocery"
        r"|to ?do)? ?(?:list|notes)$",
        r"^(?:create|start|make|begin|open)(?: me)? (?:a|another|my) (?:new |shopping |grocery "
        r"|to ?do )*list$",
        r"^add \w+(?: \w+)? to (?:the|my) (?:cart|basket|groceries)",
    ),
    *rules(
        "calendar",
        _CALENDAR,
        r"\b(?:my|our|the) (?:calendar|schedule|agenda|diary|appointments?|meetings?)\b",
        r"^(?:do|did|have) (?:i|we) (?:have |got )?(?:any|a|an|my)?(?: \w+){0,3} ?(?:meetings?"
        r"|appointments?|events?|plans|calls?|birthdays?|classes|lessons|anything (?:on|planned"
        r"|today"
        r"|tomorrow|tonight|this|scheduled))\b",
        r"^(?:add|schedule|create|make|put|cancel|move|reschedule|set up|arrange|plan|postpone)\b.*"
        r"\b(?:meeting|appointment|event|calendar|interview|dentist|doctor)\b",
        r"^(?:when|whens|where|wheres|whats|what time) (?:is |s )?(?:my|our) (?:next )?(?:meeting"
        r"|appointment"
        r"|birthday|flight|dentist|doctor|class|lesson|anniversary|exam|interview|train)\b",
        r"^(?:clear|free|block|open)(?: up| out)? my (?:morning|afternoon|evening|day|week"
        r"|\w+day)\b",
        r"^(?:re)?schedule (?:a|an|my|the|our)\b",
        r"^(?:am i|are we) (?:free|busy|available)\b",
        r"^(?:what am i doing|what are we doing|whats my next|what do (?:i|we) have (?:on "
        r"|planned |to do "
        r"|going on |today|tomorrow|tonight)|whats (?:planned|up next|scheduled))",
        r"^whats (?:going on|happening|on) (?:today|tomorrow|tonight|this week)(?: for (?:me"
        r"|us))?$",
        r"^(?:what|which) (?:meetings|appointments|events|plans)\b",
    ),
    *rules(
        "media",
        _MEDIA,
        rf"^(?:turn|switch|put|start|get)\b.*\b{MUSIC}\b(?!.*\blist\b)",
        rf"^(?:pause|resume|stop|skip|shuffle|start|unpause|continue|rewind|forward|replay|repeat"
        r"|watch|stream|play|open|launch|queue|listen to|cast|find|like|save"
        rf"|show)\b.*\b{MUSIC}\b",
        r"^play\b(?! (?:a |an |the |some |my |another |with |along|dumb|dead|around|nice|fair"
        r"|safe)?(?:\w+ ){0,2}"
        r"(?:games?|questions|trivia|chess|hangman|quiz|i spy|word|riddles?|role|roles|rock paper"
        r"|devils|me$|part"
        r"|would you rather|truth or dare|scissors|tic tac toe|tennis|football|guitar|piano))",
        r"^(?:i|id|i would|we) (?:want|like|love|feel like|wanna)\b.*\b(?:listen(?:ing)?|hear"
        r"(?:ing)?|watch"
        r"(?:ing)?) (?:to )?.*",
        r"^(?:skip|previous|pause|resume|unpause|rewind|fast forward)$",
        r"^(?:next|previous|last|skip|go (?:back|to)|skip to)(?: to)?(?: the| this)?(?: next"
        r"| previous)? (?:song"
        r"|track|episode|one|chapter|station|channel)$",
        r"^(?:whats|what|which|who sings|whos singing|who is singing|whos) (?:the )?(?:this |that "
        r"|song |track )+"
        r"(?:song|track|is this|is that|is playing|playing|artist|this|that|called|by)*$",
        r"^whats (?:playing|this song|the name of this song)\b(?! at)",
        r"^put (?:on )?some (?:\w+ ){1,2}on$|^give me some (?:music|tunes|beats|jazz)\b",
        r"^my (?:photos?|pictures?|videos?|playlists?)$",
        r"^(?:show|find) me (?:a )?(?:videos?|pictures?|photos?|images?|pics?)\b",
    ),
    *rules(
        "shopping",
        "I can't buy, order or book anything, or see your accounts.",
        r"^(?:order|buy|purchase|reorder) (?:me|us|a|an|some|more|another|pizza|sushi|food|take ?"
        r"(?:out|away)"
        r"|groceries|flowers|dinner|lunch|two|three|four|five|six|the usual|new|tickets?|milk"
        r"|my)\b",
        r"^reorder\b|^book (?:a|an|my)\b|^check (?:me )?in (?:for|to|on) my\b|\bmy (?:booking"
        r"|reservation)\b",
        r"^order (?:\w+ ){1,2}(?:food|take ?(?:out|away)|delivery|for (?:dinner|lunch|me|us|two))$",
        r"^(?:i|id|we|i would) (?:want|like|need|wanna) to (?:order|buy|book|reserve|purchase)\b",
        r"^(?:book|reserve|get|find|call|order|hail|need|i need) (?:me |us )?(?:a |an |two |some "
        r"|the )?"
        r"(?:cheap |next )?(?:table|flights?|hotel|taxi|cab|uber|lyft|ride|tickets?|room|train"
        r"|seat|rental|reservation"
        r"|pizza|burger)\b",
        r"^(?:make|cancel|change) (?:me |us )?(?:a|my|the|our) (?:reservation|booking|order"
        r"|dinner reservation)\b",
        r"^(?:pay|transfer|send|wire)\b.*\b(?:bills?|money|dollars?|euros?|pounds?|rent|bucks"
        r"|invoice|account)\b",
        r"\bmy (?:bank )?(?:account |bank )?(?:balance|account)\b|\bmoney (?:do i have|is in my"
        r"|left in)\b",
        r"^(?:track|where(?:s| is| are)|when (?:will|does|is)|has|did|whats the status of) (?:my"
        r"|the) (?:package"
        r"|parcel|order|delivery|pizza|amazon|post|mail|groceries|shipment)\b",
    ),
    *rules(
        "calls",
        _CALLS,
        r"^(?:call|phone|dial|facetime|video call|whatsapp|skype|buzz) (?!me\b|it\b|him a|her a"
        r"|them a|this"
        r"|that|yourself|a spade|upon|myself|for|centers?)\w+",
        r"^ring (?:my|mom|mum|dad|up|grand\w+|the (?:school|office|doctor|dentist|police))\b",
        r"^(?:text|message|email|mail) (?!messages?\b|about\b|me\b)(?:my|mom|mum|dad|the|him|her"
        r"|them|everyone|anna|[a-z]+)\b(?! is| are|s )",
        r"^(?:send|shoot|drop)\b.*\b(?:text|message|email|e mail|mail|sms|whatsapp|letter|note"
        r"|line|photo)\b",
        r"^get (?:\w+ ){1,2}on the (?:phone|line)$",
        r"^make (?:a|another|my) (?:phone |video )?call\b",
        r"^(?:my|any|the|new)(?: new| unread)? (?:emails?|messages?|texts?|inbox|mail"
        r"|voice ?mails?)$",
        r"^tell (?!me\b|us\b|a\b|it\b|the truth)\w+ (?:that|to|im|ill|i|we|were|hes|shes|dinner)\b",
        r"^send (?:a |an )?(?:\w+ )?to (?:my|mom|mum|dad|him|her|\w+)$",
        r"^give \w+(?: \w+)? a (?:call|ring|buzz)\b",
        r"^(?:read|check|show|open|play|delete|any|have i got|do i have|did i get|are there"
        r"|got)\b.*\b(?:messages?"
        r"|emails?|e mails?|mails?|texts?|voice ?mails?|inbox|missed calls?|notifications?)\b",
        r"^(?:answer|pick up|decline|reject|hang up|end)(?: the| this| my)?(?: phone| call)?$",
        r"^(?:tell|let|ask|inform|notify) (?:my \w+|mom|mum|dad|mommy|daddy|grand\w+|the (?:kids"
        r"|children|family"
        r"|boss|others)|everyone|everybody|anna|him|her|them) (?:that|know|to|im|ill|i|we|dinner"
        r"|hes|shes|if|when)\b",
        r"^(?:announce|broadcast|page|intercom)\b",
        r"^(?:find|locate|ring|where(?:s| is)) (?:my|our) (?:\w+s )?(?:i?phone|tablet|ipad|mobile"
        r"|cell ?phone|watch)\b",
        r"^(?:who|did (?:anyone|anybody|someone|\w+)) (?:call(?:ed)?|text(?:ed)?|email(?:ed)?"
        r"|messaged?|phoned?)"
        r"(?: me| us)?(?: \w+)?$",
    ),
)
