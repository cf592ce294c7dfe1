"""What people say to an assistant that is for the language model; test data."""

SPOKEN_CHAT: tuple[str, ...] = tuple(
    """
Tell me a story about a lamp that wanted to be the moon.
How does a thermostat work?
Why is the sky blue?
Tell me a joke about clocks.
What is the best way to clean a window?
How do I boil an egg?
What's a good song for a wedding?
Who was Miles Davis?
What's your favourite kind of weather?
How are you today?
Thank you, that's all for now.
What causes snow?
Tell me about the sun.
Why do we have leap years?
What is a calendar?
How many minutes are in a day?
What's the difference between a fan and an air conditioner?
How do I change a light bulb?
I had a long day at work.
Give me a name for my new cat.
What does it mean to turn over a new leaf?
What are you?
What can you do?
Explain how a microwave oven heats food.
What should I cook for dinner tonight?
Tell me something interesting about doors.
How do clocks know what time it is?
What is the capital of France?
Can you tell me why the moon shines?
Who invented the telephone?
Sing me a song.
Write a short poem about rain.
What makes a good alarm clock?
How far is the moon?
Do you like music?
What is a good bedtime for a five year old?
I'm bored.
Good morning.
Good night.
I love you.
How do you make pancakes?
Why does my plant have yellow leaves?
Is it safe to leave the oven on overnight?
How do I set up a timer on an oven in general?
What is twelve times nine?
What's seven plus five?
Spell weather.
How many days are in February?
What's the weather like on Mars?
Tell me about the history of the radio.
What is a stock market?
How do birds find their way in winter?
Can dogs eat chocolate?
Is it better to shower in the morning or at night?
What's the tallest building in the world?
Should I learn the piano or the guitar?
What's a good way to remember things?
Tell me how locks work.
Who wrote Romeo and Juliet?
Give me three tips for sleeping better.
What rhymes with light?
How do I stop hiccups?
Why are fire trucks red?
Tell me a bedtime story.
What is a good gift for my mother?
Why do cats purr?
Tell me about lighthouses.
How do vacuum cleaners work?
What's the best way to cook rice?
What's your name?
Who painted the Mona Lisa?
What is the time signature of a waltz?
Do you know any jokes?
What are some good names for a baby girl?
How do I get candle wax out of a carpet?
What does a thermostat do?
What is a weather balloon?
I had a bad dream last night.
I'm feeling sad today.
My car broke down today.
What would you do with a million dollars?
Can you explain what electricity is?
What should I do this weekend?
What can I make with eggs and flour?
Is it rude to be late for dinner?
How do plants drink water?
When did the first train run?
Who was the first man on the moon?
How long does it take to learn French?
What makes people laugh?
What's a good book to read on the train?
Do you ever get lonely?
Tell me a riddle about time.
What's the meaning of the word calendar?
What's the opposite of cold?
Can you count to five?
What is a call option?
How do I write a to do list that works?
What is the difference between mail and email?
How do noise cancelling headphones work?
Are cats smarter than dogs?
What is the biggest fish in the sea?
How many legs does a spider have?
Name three colours.
Give me a fun fact about doors.
Which is faster, a car or a train?
What is the best way to store bread?
Should I drink coffee before bed?
Let's talk about music.
What do you think about the news?
Is jazz hard to play?
Is a tomato a fruit?
How do alarm clocks wake people?
What's a fan belt?
Tell me about Paris.
Was Einstein married?
When was the radio invented?
How do I ask my boss for a raise?
What should I say to a friend who is sad?
I just got home from work.
What's the point of daylight saving time?
Can I put metal in the microwave?
How can I keep my house cool in summer?
Do fish feel cold?
It was raining all day yesterday and I got wet.
What did people do before television?
I forgot my umbrella yesterday.
Please tell me how a lock works.
You are funny.
See you tomorrow.
Have a nice day.
What's your favourite movie?
Where do clouds come from?
How does a phone call work?
Thanks for turning that off.
Who discovered penicillin?
How do planes fly?
What do bees do in winter?
Tell me about the weather in general.
Can you recommend a film for a rainy evening?
What's a good joke for a birthday card?
Is the universe infinite?
Is honey healthy?
What is the best temperature for red wine?
How hot does an oven have to be for pizza?
How long should I sleep?
What do lighthouses do?
What's your favourite time of day?
What is the longest day of the year?
Which month has the fewest days?
What is a leap second?
My brother is calling his dog Max, do you like it?
I feel lonely tonight.
I can't sleep.
I'm so happy today.
My phone is broken.
Do you want to hear a secret?
What do you do all day?
Who is your favourite singer?
What is an album?
How do radios receive music?
Who was Mozart?
What is the news cycle?
How are prices set?
Why is traffic worse in the rain?
What's the fastest car?
Are electric cars better?
What is the difference between a door and a gate?
How does a garage door opener work?
Why do windows fog up?
What could I do about noisy neighbours?
What should I wear to a wedding?
How do I start a garden?
Give me an idea for a birthday present.
What should I put in a picnic basket?
Did Shakespeare write Hamlet?
Was the Titanic a big ship?
Did people have clocks in Rome?
Is the violin hard to play?
Is the Nile longer than the Amazon?
Were the Beatles from Liverpool?
Who were the Beatles?
Say something nice.
Cheer me up.
Tell me what makes a rainbow.
Tell me how to fold a shirt.
Ask me a question.
Teach me a word in Spanish.
Guess what I had for lunch.
Make up a name for a spaceship.
Compare tea and coffee.
Think of a number between one and ten.
Choose between pizza and pasta.
Convert ten miles to kilometres.
Let's play a guessing game.
Start over.
What did I just say?
Good job.
That's nice.
Goodbye.
No.
Why do we yawn?
What's the difference between a lamp and a lantern?
How do I keep my windows clean?
Tell me a short story about a clock.
Do you think it will ever be possible to live on Mars?
How do weather forecasts work?
What's a good way to wake up early?
Who was the first person to climb Everest?
How does a fridge keep things cold?
Tell me about the history of jazz.
What is a radio wave?
Can you explain what a timer is?
My sister is getting married.
I'm learning to cook.
What should I have for breakfast?
How do you say good morning in Italian?
What is the meaning of the word home?
Is it cold at the north pole?
What's the coldest place on earth?
How many hours should a baby sleep?
What do you know about trains?
Why are school buses yellow?
How do I light a fire?
What is the opposite of open?
Can you give me a tongue twister?
Why do doors creak?
How do I set a table properly?
What does RSVP mean?
Tell me a joke about the news.
What's the largest country in the world?
Thanks, you can stop now.
What makes the wind blow?
Are robots alive?
What would happen if the sun went out?
I think it is going to be a good day.
How long is a marathon?
What's the best time of year to plant tomatoes?
Is chess harder than checkers?
What can I do to relax?
Do you like rainy days?
What's the best way to wash windows?
Tell me how radios work.
Why do trains run on tracks?
How do I turn a photo into a painting?
What's the story behind Christmas?
Should I turn the heating off when I go away?
How do I tell my wife that I'm sorry?
What makes a song popular?
Can you sing happy birthday?
I turned the oven on but it stays cold.
Which is warmer, wool or cotton?
How loud is thunder?
What was the first computer?
Is it hard to learn to swim?
What do you call a fear of the dark?
My neighbour plays loud music, what can I do?
How long do light bulbs last?
What's a smart speaker?
Explain time zones to me.
What's the longest river in the world?
Do dreams mean anything?
Is water wet?
How many people live in China?
What should I read next?
You're very kind.
Do you remember my name?
I'd like to learn about the stars.
I need a name for my boat.
I want to be a pilot.
What's that called when the sun goes dark?
Are you happy today?
Talk to me about the sea.
Let me tell you about my day.
Can we play a quiz?
What time do children usually go to bed?
Play a trick on me.
How do I open a stuck jar?
Give me a good opening line.
Put this in simpler words: photosynthesis.
Set me a maths problem.
What's the use of a clock without hands?
How many planets are there?
I can hear music from next door.
My daughter starts school on Monday.
Is Paris bigger than London?
What kind of music do teenagers like?
Why does my phone get hot?
Is the Great Wall visible from space?
What is the tv show Friends about?
Who lives in the White House?
What happens to snow when it melts?
Can a lamp cause a fire?
What time of year do roses bloom?
Is coffee bad for you?
Are there any animals that never sleep?
How many windows does the White House have?
What colour should I paint my kitchen?
How can I make my bedroom cosy?
I'm cold.
It's my birthday today.
Our dog is called Max.
We are going on holiday tomorrow.
Where is the Eiffel Tower?
What are you doing tonight?
What's a good way to start the day?
What did you dream last night?
When do babies start to talk?
Give my regards to your maker.
Make a rhyme about a door.
Do you sleep at night?
The weather is lovely today, isn't it?
Was it cold in the ice age?
How do people in Alaska keep warm?
Is it true that hot water freezes faster?
What does a train driver do all day?
Which language is spoken in Brazil?
Can I call you Jim?
I'd like a recipe for apple pie.
What goes well with fish?
""".strip().split("\n")
)
"""None needs an ability."""
