"""Requests as people say them, indirect and misheard ones among them; test data."""

SPOKEN_REQUESTS: tuple[str, ...] = tuple(
    """
Get the lights, will you.
Can you make the lounge a little brighter?
Switch the lamp in the corner to red.
I want the shutters closed.
Is the kettle on?
Put the dishwasher on, please.
Fire up the heating.
Could somebody open the window?
Crank the heat up a couple of degrees.
Turn everything on in the office.
Make it dark.
Lights to fifty percent.
Give me some light in the hallway.
Can we have the fan on low?
Start vacuuming upstairs.
Close all the blinds when it gets dark.
Unlock the car.
Is the garage door shut?
Did the dryer stop?
What's the thermostat set to?
Has anyone been in the garden?
Is there someone outside?
How many lights are on?
Did I turn the stove off?
Is the bath full yet?
Are the kids home from school?
What's using so much electricity?
Tell me what time it is in London.
What's the hour?
Hey, what's today?
Which month are we in?
What's the date on Friday?
How many weeks until my birthday?
Is it the weekend yet?
Is it time for bed?
What time will the sun come up tomorrow?
How much longer until five o'clock?
Is today a holiday?
What's it going to do tomorrow, rain or shine?
Any chance of snow?
Should I put sunscreen on the kids?
Is it windy outside right now?
How's the weather looking for the weekend?
What's the high for today?
Will I need my boots tomorrow?
Is there ice on the roads?
What's the forecast for Paris?
Is it warm enough for shorts?
Time me for three minutes.
Set two timers, one for five and one for ten minutes.
Get me up at six tomorrow.
Alarm for seven thirty.
Remind us about the party on Saturday.
How much time do I have left?
Add ten minutes to the timer.
In fifteen minutes tell me to check the oven.
Wake the kids at eight.
Stop the alarm.
Play that again.
Put a podcast on.
I feel like listening to some Bach.
Something with a beat, please.
Can you find my favourite radio station?
Turn down the music a bit.
That's too loud.
Who's singing this?
Play my wedding playlist in the kitchen.
Could we have some background music?
Give Dad a ring.
Send Laura a message saying happy birthday.
Have I got any emails?
Tell the kids to brush their teeth.
Drop my boss a line saying I'm ill.
Video call grandma.
Read out my last text.
What did Mark say in his message?
Put me through to the office.
Have I got anything on tomorrow?
Cancel my three o'clock.
Move my dentist appointment to Friday.
What time is my flight?
When's mum's birthday?
What's next on my agenda?
Pencil in dinner with the Smiths on Sunday.
Write this down: the code is four two one.
Stick butter on the shopping list.
Take bread off the list.
I need to buy some stamps, remember that.
What do I need from the shop?
Get me some new headphones from Amazon.
I want to order a curry.
Can you book a haircut for me?
How much money have I got?
Any headlines this morning?
What's going on in Ukraine?
Did Liverpool win?
What's the score in the cricket?
How is the dollar doing?
Are there any delays on the trains?
Is the A1 blocked?
What time does Tesco shut?
Where can I get a good burger around here?
What's showing at the cinema?
How far is it to the airport from here?
What's the pollen count?
How many people are in the house?
Text Ben and turn off the lights.
What's the time and what's the weather?
Hey can you uh turn on the the light
turn the light of in the kitchen
set a time for five minutes
wats the time
Would you get the bedroom light for me?
Flick on the porch light.
The lights, please.
Can the heating come on earlier?
I'd love it a bit warmer.
Shut everything down.
Roll the awning in.
Draw the curtains, would you?
Put the fireplace on, it's cold.
Warm up the car.
Turn the AC to eighteen.
Switch off whatever is on in the kitchen.
Could you make it less bright?
Set the scene for dinner.
Are there any lights left on?
Is the cat out?
Is my laundry dry?
What's the temperature in the fridge?
Did somebody ring?
Can you see who is outside?
Is the heating off upstairs?
How's the battery on the mower?
Have the kids gone to bed?
What's the time now then?
Do you know the time?
I need to know what day it is.
What date is Sunday?
Are we in November yet?
Has it gone eight?
What's the time difference, is it morning in Sydney?
Do I have to wear a jacket?
Will the sun shine tomorrow?
Is there a thunderstorm on the way?
Tell me if it's going to rain.
What's the temperature like in Madrid?
What kind of day is it outside?
How many degrees is it?
Can I go out without a coat?
Put a timer on for the rice.
Count down from sixty seconds.
When will my timer go off?
I have to be up at five.
Set an alarm every weekday at seven.
Nudge me about the laundry later.
Give me a heads up in ten minutes.
Music please.
Some Beatles in the kitchen.
Turn that down.
Stop playing.
What album is this from?
I'm in the mood for jazz.
Put the football on.
Set the volume to max.
Speak up.
Get hold of Peter.
Can you reach my wife?
Let my boss know I'll be late.
Shout to the kids that dinner is ready.
Has anybody called?
Reply to Anna.
Check my voicemail.
Do I have plans for Saturday?
What does my day look like?
When do I have to be at the airport?
Make an appointment with the hairdresser.
Add pick up the dry cleaning to my tasks.
We need bread.
What's left to do today?
Cross off the milk.
I'd like two pizzas delivered.
Reorder dog food.
Is my parcel coming today?
What's trending?
Anything new in the world?
How did the markets close?
How busy is the motorway?
Do the trams run on Sundays?
When's the last train home?
Which pharmacy is open now?
How's my team doing?
What's the exchange rate to the dollar?
Who's playing tonight?
What is Taylor Swift doing right now?
turn on the lite in the kitchen
what's the wether today
sat a timer for five minutes
play sum music
Turn on the lamp and then play some music and tell me the weather.
Lock the door and wake me at six.
Could you pop the light on in the bathroom?
The bedroom's too bright, dim it please.
Can you turn the fan down a notch?
Let me have some heat in the study.
Shut the fridge alarm off.
I forgot to lock up, can you do it?
Have you closed the garage yet?
Is there any light on in the attic?
What's the humidity like in here?
Has the oven warmed up?
Does the back door need locking?
Is my car charged?
Hey, do you happen to know the time?
How long have I got before six?
What's the day tomorrow?
Are we on a Monday?
What time is it over in Sydney right now?
Is it dinner time?
Does it look stormy out there?
Should we take umbrellas?
How will the weather be for our picnic on Sunday?
Is it hotter tomorrow?
Whats the temperature gonna be tonight
Start a ten minute timer for the eggs and another for toast.
I need waking at quarter past five.
Can you set a reminder so I don't miss the bus?
How many minutes has the timer got?
Turn my alarm off tomorrow.
Play the latest album by Adele.
Could you put something cheerful on?
Turn the music up and dim the lights.
Who's this singing?
Make it quieter.
Phone my daughter.
I'd like to send an email to Tom.
Ask Mary if she's coming.
Did I miss any calls?
Anything on my calendar this afternoon?
When am I meeting Paul?
Can you move the meeting to three?
Stick milk and eggs on the list.
Have I already got bread on the list?
Get me a taxi for eight.
We've run out of coffee, order more.
Where's the nearest chemist?
Is Sainsbury's open late?
What were the football results?
Who is leading the Tour de France?
What's the price of a litre of diesel?
How bad is the traffic on the ring road?
When's the next bus into town?
Tell me today's top stories.
What's happening in the world?
How are my shares doing?
Which films are on tonight?
Can you find my glasses?
Turn the lights on when I get home.
Can you run the hoover round?
Stop the washing machine and tell me what time it is.
I want it cooler in here.
Would you turn on a light for me?
Brighten up the stairs please.
Leave the porch light on tonight.
I'd like the curtains open.
Put the heating down, I'm boiling.
Can the lights be switched off?
Set the oven for half an hour.
Is the water heater on?
Did you lock the shed?
What's the temperature downstairs?
Check whether the windows are shut.
Anyone in the kitchen?
What's the current time?
Can you give me the time?
Which day of the week are we?
How many more sleeps until Christmas?
Is it after ten?
Will I get wet if I walk?
What's tomorrow's weather?
Is it warm today?
How windy is it?
Is a storm coming?
Make an alarm for six thirty.
Remind me at noon to feed the cat.
Pause my timer.
How much longer on the timer?
I want some music.
Play me a song.
Could you play the song Yesterday?
Volume up a bit.
That's far too loud.
Can you call the school?
Send my wife a text that I am on my way.
Read my latest message.
Am I busy tomorrow?
Add a haircut to Friday.
What do I have to buy?
Put bananas on my list.
Order me a taxi.
Who won the cup final?
Give me the headlines.
What's the Tesla share price?
Is there a lot of traffic?
When's my train?
Are the shops open on Monday?
What is on at the movies tonight?
Where did I park?
Fetch my slippers.
Turn on the lights and read me a story.
Switch the hallway light on, would you?
Lights off.
Kill the lights in the den.
It's too dark in here.
I'm freezing, can you do something about it?
Make it a bit warmer in the nursery.
Set the thermostat to twenty-one.
Bring the blinds down halfway.
Could you unlock the back door for my sister?
Close up the garage please.
Start the robot vacuum.
Can you get the coffee going?
Pop the kettle on.
Put the kitchen radiator on for an hour.
Dim the bedroom to thirty percent.
Everything off, I'm going to bed.
Good night, lock up and turn everything off.
Make the living room lamp blue.
I'd like the fan on.
Turn of the TV.
Turn the telly over to channel four.
Arm the alarm.
Water the plants on the balcony.
Preheat the oven to 180 degrees.
Open the curtains and put some jazz on.
Turn off the lights and tell me the time.
Would you mind shutting the windows upstairs?
Activate movie mode.
Run the good morning routine.
Can you pause the dishwasher?
Did I leave the iron on?
Is the front door locked?
Are any windows open?
How warm is it in the bedroom?
Is anyone at the door?
Has the washing machine finished?
What's the humidity in the cellar?
Who's home right now?
Which lights are still on?
How much battery does the vacuum have left?
Is the heating running?
Was there any movement in the garden last night?
Did the postman come?
How much power are we using?
What time do you make it?
Got the time?
Time please.
How late is it?
Is it past nine yet?
What day are we on?
What's today's date?
Is it Wednesday today?
How long until midnight?
How many days till Christmas?
What year is this?
Is it lunch time yet?
What time is it in Tokyo?
When does the sun set tonight?
Do I need an umbrella?
Will it be nice out tomorrow?
How cold is it outside?
Is it going to snow this weekend?
What's it like outside?
Weather forecast for Saturday.
Should I wear a coat today?
Is it raining?
whats the whether like
How hot will it get this afternoon?
Can I hang the washing out?
Give me five minutes on the clock.
Set a timer for ten minutes.
Wake me up at half past six.
Remind me to call the dentist on Monday.
How long is left on the pasta timer?
Don't let me forget the bins tonight.
Start a stopwatch.
Cancel my alarm for tomorrow.
Snooze.
""".strip().split("\n")
)
"""All need an ability."""
