"""Five hundred words and more, for a voice to say: everyday speech with few numbers and names."""

SENTENCES = """
The morning train was late again, so we walked along the river to the station.
My sister keeps three hens behind the house and sells their eggs to the neighbours.
Please close the window before it rains, because the curtains are made of silk.
He opened the old wooden box and found a letter that nobody had ever read.
We planted apples and pears in the garden the year after our daughter was born.
The doctor said that a short walk after dinner helps more than any medicine.
If you take the second road on the left, you will see a small white church.
They painted the kitchen yellow, and now it looks as if the sun always shines.
I have forgotten where I left my glasses, and without them I cannot find them.
The children built a castle of sand, and the next wave carried it all away.
Nobody believed the story until the captain himself came back and told it again.
She plays the piano every evening, while her brother listens from the garden.
The museum is closed on Monday, but the park around it is open all day.
Our teacher asked us to write about a place that we would like to visit.
A good soup needs time, fresh vegetables, and somebody who is not in a hurry.
The lake was frozen for two months, and people crossed it with horses and carts.
When the lights went out, we lit candles and played cards until midnight.
The farmer looked at the sky and decided to bring in the hay before noon.
It is much easier to ask a question than to give an honest answer to it.
The baker gets up at three, so that the bread is warm when the shop opens.
My grandfather repaired clocks, and in his house something was always ticking.
You can borrow my bicycle, but please pump up the tyres before you ride it.
The letter was written in green ink and smelled faintly of roses and smoke.
After the concert the whole audience stood up and refused to go home.
The cat sleeps on the warm computer and wakes up only when dinner is ready.
Several students missed the examination because the bus broke down on the bridge.
A strong wind blew all night, and in the morning the street was full of branches.
I would rather read a long book than watch a short film about the same story.
The mountain looks near from the village, but it takes a whole day to climb it.
He promised to call on Sunday, and she waited beside the telephone until it was dark.
The new library has large windows, quiet rooms, and chairs that are really comfortable.
Fishermen mend their nets in winter, when the sea is too rough for small boats.
Put the butter back into the fridge, or the dog will eat all of it again.
The judge listened carefully to both sides and then asked for a glass of water.
We saw a fox in the snow this morning, and it looked at us without any fear.
Wash the blue shirt in cold water, otherwise the colour will not last very long.
The old lighthouse still works, although most ships find their way without it now.
""".strip().splitlines()
