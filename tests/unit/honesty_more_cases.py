"""More things said to an assistant that has no tools, as they are transcribed; test data."""

MORE_NEEDS_ABILITY: tuple[str, ...] = tuple(
    """
turn the lights on in the kitchen
switch on the bedside lamp
lights on please
can you please turn off all the lights downstairs
kill the lights
it's dark in here, switch the light on
would you turn the light on
i'd like you to turn on the lamp
i'd like the lights off
could you get the lights
turn the brightness down
dim the lights to thirty percent
set living room to warm white
make it a bit cooler
turn the air conditioning on
set the heating to twenty
bump up the thermostat
it's too hot, turn on the fan
shut the blinds please
could you open the garage for me
lock all the doors
is my garage open
are the blinds down
did i lock the door
is the oven still on
is anybody in the house
what temperature is it in the living room
how hot is it in the kitchen
whats the humidity in the bathroom
has the dishwasher finished
start the coffee machine
turn on the telly
clean the kitchen floor
hey jarvis whats the time
what time do you have
could you tell me the current time please
time
what's the time in new york
what date is it
what's the date
what day of the month is it
which day is today
can you tell me today's date
what month is it
is today tuesday
how many weeks till summer
how many days are left in the year
how long till christmas
weather
weather today
what's the forecast
tell me about the weather today
will it be sunny this weekend
is it sunny outside
will it rain
does it look like rain
is it gonna be hot tomorrow
should i bring an umbrella
do i need a coat
how cold is it
how's it looking outside
what is the weather going to be like on saturday
what's the weather forecast for berlin
is there a storm coming
what's the temperature
what's the temperature today
will there be snow
what time is sunset
set alarm for six
set an alarm
set a 5 minute timer
timer ten minutes
start a timer
can you wake me up at eight
remind me in an hour to check the oven
set a reminder for tomorrow
stop the timer
how long is left on the timer
add a reminder to buy milk
wake me up
play music
play something relaxing
play bohemian rhapsody
play my favourite playlist
can you play a song
put on the radio
next song
pause
turn the music off
what's playing
volume down
louder please
make it louder
turn the sound up
mute
call my wife
call 911
can you call john
make a phone call
make a call
send a message to john
text mom i'll be late
send an email to my boss
read my emails
do i have messages
any new messages
what meetings do i have today
what's my schedule for tomorrow
add dentist appointment to my calendar
put lunch with sara on my calendar
when is my dentist appointment
what's next on my calendar
add eggs to my list
add bread and butter to the shopping list
create a shopping list
make a new list
what's on my to do list
any news
latest news
tell me the news
what's going on in the world
who won the super bowl last night
who won the match
what was the score of the game
how did the yankees do last night
what's bitcoin at
what's tesla stock at
how's the traffic this morning
when does the next train leave
is the supermarket open
what's the nearest gas station
find a good pizza place nearby
search google for shoes
look up the weather
what's my location
order some groceries
order chinese food
buy a new phone
buy tickets for the concert
book a flight to paris
book me a hotel in rome
get me a taxi
reserve a table for four
order me an uber
transfer fifty dollars to anna
where's my phone
what movies are playing tonight
what's on netflix
show me my photos
print this page
open spotify
open the front door camera
take a picture
who just rang the doorbell
is the cat inside
let the dog out
feed the fish
run the bath
run the good night routine
turn on christmas lights
charge my car
turn off in ten minutes
bring up the lights
can you check if the door is locked
please check the weather
check the time
what is the current temperature
what's the current date and time
how many minutes until noon
could you please switch the tv off
i need a timer for pasta
start the washing machine
turn off the oven in the kitchen please
switch the porch light off at midnight
is it cold outside today
what's the current price of gold
can you read me the news
has the mail arrived
who called
tell john i'm coming
shut down the computer
check my email
play the news
schedule a haircut for friday
set the table lamp to red
""".strip().split("\n")
)
"""Requests that need an ability."""

MORE_ORDINARY: tuple[str, ...] = tuple(
    """
what is a thermostat
who invented the clock
how do clocks work
why do clocks run clockwise
what's the best time to visit japan
what time do people eat dinner in spain
what time of day is best for exercise
how long is a football game
how many players are on a soccer team
what's the weather like in winter in norway usually
why is weather hard to predict
what's a tornado
how is snow made
does it rain on venus
is it cold in space
is the sun a star
is the earth flat
how hot is lava
how cold is absolute zero
what's the temperature of boiling water
what's a good temperature for sleeping
how warm should a bedroom be
what is the hottest place on earth
what should i do when it rains
what can i do on a rainy day
what do you think about rain
i love the rain
tell me about the weather on jupiter
tell me a fun fact
tell me about lamps
what was the first alarm clock
how does an alarm system work
what is a door made of
what is the difference between a lamp and a light
why do people lock doors
who sang yesterday
who was the first to play jazz
when was netflix founded
who owns spotify
what's your favorite movie
recommend a movie
can you recommend a good book
what book should i read
what's a good song for dancing
how many songs did the beatles write
who are the beatles
how do i call a function in python
how do you call a baby cow
what do you call a group of lions
what's the name of a baby goat
how do i send a letter
what is an email
what's the longest word
what's two plus two
add five and seven
set theory, what is it
what is an open set
what is a closed door policy
how do i turn a frown upside down
turn this sentence into a question: the dog barks
play a riddle with me
play a word game
play pretend with me
let's talk
talk to me
what's new with you
how was your day
what's up
do you sleep
are you on
are you there
can you hear me
can you help me
help me
help me with my homework
help me decide what to eat
what time does a day start
when did world war two end
when is valentine's day
when was easter invented
what day is christmas on
what month has 28 days
how many weeks are in a year
how long until the sun dies
how long do cats live
how long before milk goes bad
how far away is the sun
how far is new york from boston
where do penguins live
where does chocolate come from
where was einstein born
what is the news cycle
what makes a good leader
what's the price of freedom
how much is a trillion
how much does an elephant weigh
what is inflation
how do banks work
what is a table of contents
explain ordering in databases
what's a good gift for my mother
i need advice
i need help with something
i'm sad
i'm happy
my cat is sick
my friend called me yesterday
i want to learn guitar
i want to learn how to play the piano
i want to cook something nice
i have a headache
my door squeaks
my lamp is broken
my tv is too loud what should i do
my oven smells weird
turning off the lights saves energy, right
is it true that cats see in the dark
is it ok to leave lights on
are led lights better than bulbs
do plants need light
are windows energy efficient
which is better, gas or electric oven
is jazz older than rock
are dogs smarter than cats
is today's music worse than older music
did dinosaurs have feathers
did the romans have clocks
has anyone been to mars
have humans been to mars
will robots take over
will the sun explode
who is at the top of the food chain
who's at fault in a rear end collision
who is home alone about
what's home alone about
check my math, is five times six thirty
check this sentence for errors
stop talking
be quiet
never mind
cancel
repeat that
say that again
what did you say
continue
go on
tell me more
next
thanks that's all
good evening
see you later
what's the tallest building
give me a word that rhymes with light
give me three names for a boat
name a city in france
name five animals
make a sentence with the word door
make me a sandwich recipe
find the square root of sixteen
find a word that means happy
show me how to tie a tie
describe a sunset
describe the kitchen of a castle
start a story about a dragon
start counting
run through the alphabet
open sesame
close your eyes
turn around
put simply, what is gravity
remind me what photosynthesis is
remind me how gravity works
text messages, when were they invented
order of operations
book recommendations please
what's a calendar year
what is a lock in programming
what is a window function
what are blinds
note to self is a strange phrase
what time signature is a waltz in
what year was i born if i am thirty in 2020
what's today's music called
""".strip().split("\n")
)
"""Conversation and knowledge questions."""
