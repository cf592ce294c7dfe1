"""Requests for facts of the moment: weather, time and date, news and other live information."""

from hub.conversation.request_words import DAY, FEEL, LATER, SKY, WEAR, Rule, rules

_WEATHER = "I can't check the weather: I have no forecast and no sensors."
_CLOCK = "I can't tell the time or the date: I have no clock."
_NEWS = "I can't look that up: I'm not connected to the internet."

FACT_RULES: tuple[Rule, ...] = (
    *rules(
        "weather",
        _WEATHER,
        r"^(?:whats|hows|hows about|what about|what will|what was|what would|how will)(?: the"
        r"| todays| tomorrows| our| be the"
        r"| will the| the \w+s)? ?(?:local |current )?weather\b(?!.*\b(?:mars|venus|jupiter|saturn"
        r"|mercury|neptune|uranus|pluto"
        r"|titan|moon|sun|space|planets?|usually|typically|average|general|generally|normally"
        r"|climate|(?:in|during)(?: the)?"
        r" (?:winter|summer|spring|autumn|fall)|called|front|balloon|vane|word|mean)\b)",
        r"^(?:the |todays |tomorrows |local |current )?(?:weather|forecast)(?: (?:forecast|report"
        r"|update|conditions))?"
        rf"{LATER}*$",
        r"\b(?:weather )?forecast\b|^does it look like (?:rain|snow)|^what temperature (?:is"
        r"|will) it\b",
        r"^will (?:i|we) (?:get wet|freeze|be (?:cold|hot|warm))\b|^any (?:chance of )?(?:rain"
        r"|snow|storms|showers|sun)\b",
        r"^should i (?:hang|dry)\b.*\boutside\b|^whats the wind (?:like|doing)\b|^whats it "
        r"(?:going to|gonna) be like\b",
        r"^hows the sky\b",
        r"^hows (?:it|things) (?:looking )?(?:outside|out there)",
        r"^(?:is|was|will|isnt|wont|did|does|are|could|might|would) (?:it|there|we|the weather"
        r"|the sun|tomorrow|today|we be)"
        r"(?: (?:going to|gonna|be|have|get|be any|going|have any|getting|currently|still|any|a"
        r"|look|looking|supposed to))*"
        rf" (?:{SKY}|(?:really |very |too |so )?(?:{FEEL}|good weather|bad weather|shining|out)"
        rf"(?={LATER}|$))",
        rf"^is there (?:any |a |going to be |gonna be )*(?:{SKY}|wind|sun|frost|ice|lightning"
        r"|heat ?wave)\b",
        r"^(?:do|should|will|would|must|shall|can|could) i (?:need|take|bring|wear|pack|put on"
        rf"|have|leave|go)\b.*\b{WEAR}\b",
        r"^what should i wear (?:today|tomorrow|tonight|outside|this)\b",
        r"^how (?:warm|cold|hot|cool|windy|humid|nice|chilly|sunny|rainy|wet|icy) (?:is|will|was"
        r"|does|gets?) (?:it|the weather)"
        rf"(?: (?:be|get|going to be|going to get|feel|gonna be|outside|out))*{LATER}*$",
        r"^whats (?:the |todays |tomorrows )?(?:current |outside |outdoor )?temperatures?"
        r"(?: like)?(?: going to be)?"
        rf"{LATER}*$(?<!sun)(?<!moon)(?<!space)(?<!body)(?<!human)",
        r"^(?:whats|what are) the (?:chances?|odds|probability|risk) of (?:rain|snow|storms?"
        r"|showers?|thunder|hail)",
        rf"^(?:any )?(?:rain|snow|storms?|sun)(?: expected)?{LATER}+$",
        r"^when (?:will|does|is|is it going to|s)\b.*\b(?:rain|snow|storm|sun (?:set|rise|come|go)"
        r"|sunset|sunrise|get (?:warm"
        r"|cold|dark|light))\w*\b",
        r"^(?:when|what time)(?:s| is| does| will)?(?: the)? (?:sunset|sunrise|sun (?:set|rise"
        r"|sets|rises|go|goes|come|comes))",
        r"^(?:whats|hows) (?:it )?(?:like )?(?:outside|out there|out)(?: (?:like|right now"
        r"|today))?$",
        r"^whats it (?:like|looking like) (?:outside|out)\b",
        r"\b(?:uv index|pollen (?:count|level)|air quality|wind speed)\b",
    ),
    *rules(
        "clock",
        _CLOCK,
        r"^(?:what|whats|what s|do you have|have you got|got|you have|give me|tell me)(?: is"
        r"| was)?(?: the| a)?(?: current| exact"
        r"| right| local| correct)? time(?: is it| it is| it s| do you have| do we have"
        r"| have you got| of day is it)?"
        r"(?: (?:now|here|there|right now|today|exactly|currently|over there|at the moment|in "
        r"(?!history|point)\w+(?: \w+){0,2}))*$",
        r"^(?:the )?(?:current |local )?time(?: check| please| now| in \w+(?: \w+)?)?$",
        r"^how late (?:is it|it is)\b|^the hour$|^when do (?:i|we) (?:have to|need to|must) "
        r"(?:leave|go)\b",
        r"^(?:have|got|you have) the time$|^whats the (?:hour|clock say)$"
        r"|^whats the time\b.*\bclock$",
        r"^how far (?:away|off) (?:is|are) (?:christmas|easter|halloween|thanksgiving|summer"
        r"|winter|new year)",
        r"^(?:is it|are we) (?:already )?(?:past|before|after|close to) (?:noon|midnight|midday)$",
        r"^(?:am i|are we) (?:too |very |running )?(?:late|early)$|^do (?:i|we) (?:have"
        r"|need) to hurry\b",
        r"^is it (?:already |almost |nearly |still |past |after |before |really |close to "
        r"|about )*(?:noon|midnight|midday|lunch ?time"
        r"|bed ?time|dinner ?time|time (?:for|to)|morning|evening|night|\w+ o ?clock|\d+ ?(?:am|pm"
        r"|o ?clock)?|late|early"
        r"|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve))(?: (?:already|yet"
        r"|now|pm|am|thirty|fifteen))*$",
        r"^(?:whats|what|which|tell me)(?: is| was)?(?: the| todays| tomorrows| yesterdays| our)?"
        r"(?: current| exact)? (?:date|day)"
        r"(?: of the (?:week|month|year))?(?: is it| is| it is| was| will it be| is today| are we"
        r"| do we have| was it)?"
        r"(?: (?:today|tomorrow|yesterday|now|it|again|here|next \w+|on \w+|in \w+ days"
        r"|currently))*$",
        r"^(?:the |todays |tomorrows )(?:date|day)$|^date$|^(?:the )?date today$",
        r"^whats (?:today|tomorrow)$",
        r"^(?:what|which|whats)(?: the)?(?: current)? (?:month|year|week|season|century|quarter)"
        r"(?: (?:is it|are we in|it is|of the year"
        r"|are we|do we have|is this|is it now|is it today))?(?: (?:now|today|currently))*$",
        r"^(?:is (?:it|today|tomorrow)|are we|was yesterday) (?:already |a |an |the |still |on )*"
        rf"(?:{DAY}|weekend|week ?day|holiday"
        r"|bank holiday|leap year|january|february|march|april|may|june|july|august|september"
        r"|october|november|december)"
        r"(?: (?:today|already|yet|tomorrow|now|the \w+))*$",
        r"^how (?:many|much)(?: more| longer)? (?:days|weeks|months|hours|minutes|sleeps|time)(?: "
        r"(?:are|is))?(?: there| it| left| remain)*"
        r" (?:until|till|til|to|before|left until|left till|left in)\b",
        r"^how long (?:is it |is there |do (?:i|we) have |still )*(?:until|till|til|before|to) "
        r"(?:christmas|new years?|easter|halloween|thanksgiving"
        r"|midnight|noon|lunch|dinner|breakfast|bed ?time|sunset|sunrise|summer|winter|spring"
        r"|autumn|my|the (?:weekend|holidays|end of|new year|next)"
        rf"|tomorrow|tonight|{DAY}|\d|\w+ o ?clock|next)\b",
        r"^how (?:long|many days|many weeks|many years) (?:has it been |have passed "
        r"|is it )?since\b(?!.*\bwar\b)",
        r"^when (?:is|s|are) (?:the )?next (?:full moon|holiday|leap year|new moon|bank holiday"
        r"|weekend|\w+day)\b",
    ),
    *rules(
        "news",
        _NEWS,
        r"^(?:whats|what|any|the|give me|read|read me|play|show me|hows|tell me|get me)?\b ?"
        r"(?:is )?(?:(?:new|happening|in|on|the|some|me|latest"
        r"|todays|breaking|local|world|sports|your|my|recent|going on|about|any|all|top|today"
        r"|morning|current) )*(?:news|headlines)"
        r"(?: (?:today|now|about|in|from|this|update|briefing|for|of|headlines|on|tonight|stories"
        r"|flash|right now)\b.*)?$",
        r"^what(?:s| is| has| have)? (?:just )?(?:happened|happening|new|going on|been happening) "
        r"(?:in the (?:world|news)|today"
        r"|yesterday|last night|this (?:week|morning|month)|right now|around the world|lately"
        r"|recently)",
        r"^(?:who|which team|did|how did|what|has|have|whats|how many|whos|is|are|when)\b.*\b"
        r"(?:won|win|winning|score[ds]?|beat|lose|lost|do|play(?:ed"
        r"|ing)?|results?|leading|losing)\b.*\b(?:last night|yesterday|today|tonight|last (?:week"
        r"|weekend|sunday|saturday)|on \w+day|this (?:week"
        r"|weekend|year|season|morning|afternoon)|right now)\b",
        r"^who(?:s| is)? (?:won|wins|winning|win) (?:the )?(?:game|match|race|election|fight"
        r"|super ?bowl|derby|final|lottery)s?(?: last night)?$",
        r"^(?:whats|what was|what is|what were)(?: the| todays)?(?: \w+){0,3} (?:final )?scores?"
        r"(?: of| in| for)?(?: \w+){0,4}$",
        r"^(?:did|have|has) (?:the )?\w+(?: \w+)? (?:win|won|lose|lost)(?: (?:the|their|a"
        r"|against)\b.*)?$",
        r"\b(?:price|value|cost|rate) of (?:\w+ ){0,2}(?:bitcoins?|ethereum|crypto|gold|silver|oil"
        r"|gas|petrol|diesel|stock|stocks|shares?|tesla|apple"
        r"|nvidia|google|amazon|microsoft|dogecoin|the (?:dollar|euro|pound|yen))\b",
        r"^(?:whats |hows |the |check |current |how much is |how much does |whats the |hows the "
        r"|how high is |how are )*(?:the |a |one |my )*(?:current )?"
        r"(?:bitcoins?|ethereum|dogecoin|crypto|gold|oil|gas|petrol|stocks?|shares?|stock market"
        r"|dow(?: jones)?|nasdaq|s&p|tesla|exchange|markets?)"
        r"(?: \w+)?(?: (?:price|prices|rate|worth|doing|trading|at|today|cost|now|market|right"
        r"|stock))+$",
        r"^(?:hows|how are|whats|is there|are there|check|any|the|how bad is|how heavy is)? ?"
        r"(?:the |any |a lot of |much |heavy |a )*"
        r"(?:traffic|road conditions)(?: (?:like|today|now|report|update|to|on|in|this|jam|jams|at"
        r"|info|look|looking|right|bad|doing|conditions|going)\b.*)?$",
        r"^how (?:long|far) (?:is|will|does|would)\b.*\b(?:my|our|the) (?:commute|drive|trip"
        r"|walk)\b|^how long (?:does it take |will it take |is it )"
        r"?(?:me )?to (?:get|drive|walk) (?:to|home)\b",
        r"^(?:when|whens|what time|is|are|has|did|hows|whats)(?: is| are| does| do| s)?(?: the| my"
        r"| our| there| a)?(?: next| last| first| \w+s)?(?: \w+)? "
        r"(?:bus|train|flight|tram|metro|subway|ferry|plane|game|match|race|kick ?off|episode)(?: "
        r"(?:late|delayed|on time|leave|leaves|go|goes|depart|departs"
        r"|arrive|arrives|to|from|come|comes|coming|cancelled|status|running|here|due|start|starts"
        r"|on|today|tonight|home|out)\b.*)?$",
        r"^(?:when|what time) (?:do|does|is|will)(?: the| my)?(?: \w+){1,3} (?:open|opens|close"
        r"|closes)(?: (?:today|tomorrow|tonight|on))?\b",
        r"^(?:is|are) (?:the |my )?(?:\w+ ){0,2}(?:store|shop|shops|stores|supermarket|pharmacy"
        r"|bank|post office|library|museum|mall|bakery|restaurant|gym|zoo"
        r"|cafe|pool|park|school|market|office|walmart|target|costco|lidl|aldi|ikea|mcdonalds"
        r"|starbucks)\b.*\b(?:open|closed|busy|still)\b",
        r"\b(?:near me|nearby|near here|around here|close to here|in my area|in town)\b",
        r"^where(?:s| is| are)? (?:the )?(?:nearest|closest)\b|^(?:whats )?the (?:nearest"
        r"|closest)\b(?! (?:star|planet|galaxy|prime|relative|living))",
        r"^(?:google|bing|duckduckgo)\b \w+",
        r"^(?:search|look|browse|go|check|surf)(?: for \w+)?(?: (?:the|on the|up|it up|this up"
        r"|online|for|me))* ?(?:on |in )?(?:web|internet|online|google|wikipedia"
        r"|net)\b",
        r"^(?:look (?:it |this |that )?up)\b.*|^search for\b",
        r"^(?:download|install|open|visit|go to|launch) (?:the |a |my )?(?:\w+ )?(?:app|website"
        r"|web ?page|browser|link|site|update)s?\b",
        r"^whats (?:on|playing|showing)(?: on| at| in)?(?: the)? (?:tv|television|telly|cinema"
        r"|cinemas|theaters?|movies|netflix|radio)\b",
        r"^(?:where (?:am i|are we)|whats my (?:location|address|ip|ip address))\b",
        r"^where (?:is|are|s|did i (?:put|leave|park)) (?:my|our|the cars?) ?\w*\b|^wheres (?:my"
        r"|our) \w+",
        r"^how did the (?:election|game|match|race|vote|debate)\b|^whats the latest\b|^is it "
        r"(?:busy|crowded)\b",
        r"^(?:when|whens|when is|what time)\b.* (?:the|my|our) next \w+",
        # any question about the present: nothing that the model knows can answer it
        r"^(?:what|whats|when|whens|where|which|who|whos|how|hows|is|are|will|did|has|have|does"
        r"|should|any|can)\b"
        r"(?!.*\b(?:you|your|yourself|sang|sings|wrote)\b)(?!.*\bi (?:do|cook|eat|make|read|learn"
        r"|play|watch|bake"
        r"|say|give|start)\b)"
        r".*\b(?:today|tonight|tomorrow|yesterday|last night|right now|currently|at the moment"
        r"|this (?:week|weekend"
        r"|morning|afternoon|evening)|open)$",
        r"^how (?:much|many)\b.*\b(?:dollars?|euros?|pounds?|yen|francs?)\b.* in (?:\w+ )?"
        r"(?:dollars?|euros?|pounds?|yen|francs?)\b",
        r"\b(?:lottery|lotto|powerball) (?:numbers?|results?)\b|^whats (?:trending|viral)\b",
    ),
)
