"""The English vocabulary of requests: things of a home and a day, and what is done with them."""


def vocabulary(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


LIGHTS = vocabulary(
    "lamp lamps light lights bulb bulbs lighting chandelier led leds nightlight spotlight "
    "spotlights floodlights brightness brighter darker dimmer dark"
)
HEATING = vocabulary(
    "heat heater heating thermostat radiator radiators boiler ac aircon conditioner conditioning "
    "fireplace humidifier dehumidifier temperature humidity warmer cooler colder hotter"
)
DEVICES = vocabulary(
    "door doors garage gate gates window windows blind blinds shutter shutters curtain curtains "
    "drapes shades awning lock locks skylight fan fans oven stove kettle cooker hob machine "
    "dishwasher washer dryer washing laundry fridge freezer microwave tv television telly vacuum "
    "robot roomba hoover mower plug plugs outlet socket switch switches sprinkler sprinklers "
    "camera cameras doorbell purifier projector tub pump toaster computer pc laptop printer iron "
    "router wifi charger car blanket appliances devices hood bath shower coffee espresso toast "
    "battery electricity security plants balcony floor"
)
SCENES = vocabulary("mode scene routine")
ROOMS = vocabulary(
    "bedroom bedrooms livingroom room kitchen bathroom hall hallway office study basement cellar "
    "attic nursery lounge den house home garden porch patio greenhouse flat apartment upstairs "
    "downstairs inside indoors pool shed conservatory garage fridge freezer oven car balcony "
    "corner"
)
HOUSEHOLD = vocabulary(
    "postman mailman post kids children cat dog cleaner anyone anybody somebody someone everyone "
    "everybody people movement"
)

_TOPICS = {
    "timers": "timer timers alarm alarms reminder reminders countdown stopwatch",
    "lists": "list lists note notes basket cart task tasks",
    "calendar": "calendar diary agenda schedule meeting meetings appointment appointments birthday "
    "dentist haircut anniversary",
    "calls": "message messages email emails mail mails text texts voicemail voicemails inbox sms "
    "notifications call calls phone",
    "shopping": "taxi cab uber lyft flight flights hotel ticket tickets reservation booking "
    "pizza pizzas package parcel delivery order orders shipment groceries balance account money "
    "bill bills rent",
    "volume": "volume sound louder quieter softer",
    "media": "music song songs track tracks tune tunes playlist playlists album albums radio "
    "podcast podcasts audiobook audiobooks jazz spotify netflix youtube movie "
    "movies film films video videos station episode chapter channel photo photos picture pictures "
    "photograph selfie",
    "news": "news headlines score scores result results traffic bus train trains tram metro subway "
    "ferry plane bitcoin ethereum crypto stock stocks shares nasdaq gold silver oil petrol diesel "
    "dollar euro rate motorway lottery wikipedia internet web online google app website",
}
TOPICS: dict[str, frozenset[str]] = {
    **{ability: vocabulary(words) for ability, words in _TOPICS.items()},
    "home": LIGHTS | HEATING | DEVICES | SCENES,
}
"""The things that each ability is about; the first ability with a word in the phrase has it."""

_DOERS = {
    "home": "dim brighten unlock lock preheat arm disarm vacuum hoover mop sweep mow illuminate "
    "feed activate deactivate reboot print scan",
    "calls": "call phone dial ring facetime skype whatsapp buzz videocall text message email mail "
    "send announce broadcast page hang reply respond forward contact reach shout",
    "shopping": "buy order purchase reorder pay transfer book reserve hail track",
    "timers": "remind wake snooze",
    "media": "play shuffle skip rewind pause unpause resume stream watch listen queue",
    "calendar": "schedule reschedule pencil",
    "lists": "jot",
    "news": "google search browse download bing install",
    "volume": "mute unmute",
}
DOERS: dict[str, str] = {
    verb: ability for ability, words in _DOERS.items() for verb in words.split()
}
"""Verbs that ask for an ability whatever their object is."""

VERBS = vocabulary(
    "turn switch set put get give open close shut start stop run make take move bring keep leave "
    "add remove delete cancel check show read find change adjust increase decrease reduce raise "
    "lower lift pull roll draw clean cook brew boil heat cool warm fire crank bump kill hit cut "
    "pop stick write save print scan record launch use fix do fetch pick answer end clear tell let "
    "ask create charge water wash light power flip toggle click begin extend reset restart "
    "silence dismiss finish enable disable unplug block free drop need see locate cast like next "
    "previous replay edit update hear visit throw share hide flick push press slide cross empty "
    "fill refill tidy iron fold pack wrap deliver collect shuffle mix prepare"
)
"""Verbs that ask for an ability where their object belongs to one."""

OF_THE_MIND = vocabulary(
    "tell show find check read give ask use make like hear create see need do next previous"
)
"""Of these, those that do not act on a thing: "read the room", "find the square root"."""

ANYTHING = vocabulary("it them this that everything all both one these those mine")
WAYS = vocabulary("on off up down out low high")
STATES = vocabulary(
    "on off open opened closed shut locked unlocked running charging charged full armed still "
    "finished done ready dimmed plugged online empty left there working clean set using stop "
    "stopped"
)
ASK_IF = vocabulary(
    "is are was were will would did does do has have had could might should can any"
)
ASK = ASK_IF | vocabulary("what which when where how who whose")

SKY = vocabulary(
    "rain raining rainy snow snowing snowy sunny cloudy windy storm storming stormy foggy hail icy "
    "pour pouring drizzle drizzling freeze freezing thunder thunderstorm overcast wind frost ice "
    "lightning weather shining shine degrees"
)
FEEL = vocabulary(
    "cold hot warm cool chilly nice humid dry wet muggy mild frosty slippery windy sunny rainy icy "
    "hotter colder warmer cooler"
)
WEAR = vocabulary(
    "umbrella umbrellas jacket jackets coat coats raincoat sunscreen sweater jumper scarf gloves "
    "boots hat sunglasses shorts"
)
SHOPS = vocabulary(
    "store stores shop shops supermarket pharmacy bank library museum mall bakery restaurant gym "
    "zoo cafe market office pool park"
)
DAYS = vocabulary("monday tuesday wednesday thursday friday saturday sunday")
MONTHS = vocabulary(
    "january february march april may june july august september october november december"
)
HOURS = vocabulary(
    "noon midnight midday lunchtime bedtime dinnertime morning evening night oclock am pm late "
    "early past half"
)
COUNTS = vocabulary(
    "one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty "
    "fifty sixty ninety half"
)
UNIVERSAL = vocabulary(
    "sun moon earth world universe sky ocean sea romans greeks egyptians vikings dinosaurs titanic "
    "bible human humans brain heart body war wars pope mars venus jupiter saturn mercury neptune "
    "uranus pluto titan space planet planets galaxy climate usually typically generally normally "
    "average general theory history first nile age ages"
)
"""Subjects of knowledge, though they take "the": "is the earth flat"."""

TALK = vocabulary(
    "joke jokes story stories tale poem haiku limerick rhyme rhymes riddle riddles lyrics essay "
    "novel screenplay dialogue pun pretend imagine translate translation fact facts word words "
    "sentence question questions chess trivia quiz hangman spy advice tip tips idea "
    "ideas recipe name names example examples opinion conversation chat quote compliment math "
    "maths homework alphabet laugh smile subject topic secret"
)
"""What an assistant makes of words alone: asked for these, the model answers."""
LANGUAGES = vocabulary(
    "french spanish german italian latin japanese chinese portuguese dutch polish russian swedish "
    "korean arabic hindi"
)
PRESENT = (
    r"\b(?:today|tonight|tomorrow|yesterday|now|currently|outside|at the moment|lately|recently"
    r"|last night|around the world|(?:this|last|next|the) (?:week|weekend|morning|afternoon|evening"
    r"|night|season|month)"
    r"|(?:on|this|next|last) (?:mon|tues|wednes|thurs|fri|satur|sun)day)\b"
)
"""Words of the moment: what is asked about it, no model can know."""
