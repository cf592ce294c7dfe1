"""What the hub sets at satellites, keeps for them, and tells of them; on a virtual clock."""

import asyncio

import pytest
from wyoming.satellite import PauseSatellite, RunSatellite

from hub.home.base import Place
from hub.home.controls import NotSet
from hub.home.everything import Everything
from hub.live.state import WakeWordView
from protocol.control import Configure, Status, Volume, WakeWordStatus

pytestmark = pytest.mark.looptime(noop_cycles=2)

KITCHEN, HALL = "Kitchen", "Hall"  # Parlour's own satellite, and another maker's


class Satellite:
    """Does what it is told, after a while, and says so."""

    def __init__(self, *, level=1.0, names=("hey_jarvis", "alexa")):
        self.status = Status(
            False, level, tuple(WakeWordStatus(n, n.title(), n == names[0]) for n in names)
        )
        self.takes = 0.5  # seconds, to change wake words
        self.problem = ""
        self.deaf = False  # to what the hub says

    async def told(self, event, report):
        if self.deaf:
            return
        if Volume.is_type(event.type):
            self.change(volume=Volume.from_event(event).level)
        elif Configure.is_type(event.type):
            configure = Configure.from_event(event)
            if configure.muted is not None:
                self.change(muted=configure.muted)
            report(self.status)
            if configure.wake_words is None:
                return
            await asyncio.sleep(self.takes)
            if not self.problem:
                words = [
                    WakeWordStatus(w.name, w.phrase, w.name in configure.wake_words)
                    for w in self.status.wake_words
                ]
                self.change(wake_words=tuple(words))
        report(self.with_problem())

    def change(self, **fields):
        old = self.status
        now = {"muted": old.muted, "volume": old.volume, "wake_words": old.wake_words}
        self.status = Status(**now | fields)

    def with_problem(self):
        old = self.status
        return Status(old.muted, old.volume, old.wake_words, self.problem)


class House:
    """A satellite of ours in the kitchen, another maker's in the hall."""

    def __init__(self, path):
        self.path = path
        self.kitchen = Satellite()
        self.there = set()
        self.events = []
        self.shown = []
        self.tasks = []
        self.home = None

    async def open(self, *rooms):
        self.home = Everything(
            self.path, ["en"], self.send, self.send_extension, self.say, told=self.told
        )
        self.home.start()
        await self.home.ready()
        for room in rooms:
            await self.arrives(room)

    async def arrives(self, room):
        self.there.add(room)
        await self.home.arrived(room)
        await asyncio.gather(*self.tasks)  # (no sleep: the fixture's clock is a real one)

    def leaves(self, room):
        self.there.remove(room)
        self.home.controls.left(room)

    async def send(self, room, event):
        if room in self.there:
            self.events.append((room, event))
        return room in self.there

    async def send_extension(self, room, event):
        if room == HALL or not await self.send(room, event):
            return False
        report = self.kitchen.told(event, self.report)
        self.tasks.append(asyncio.create_task(report))
        return True

    def report(self, status):
        self.home.controls.reported(KITCHEN, status)

    async def say(self, room, text):
        raise AssertionError(text)

    def told(self, room, **how):
        self.shown.append((room, {key: what for key, what in how.items() if what is not None}))

    def sent(self, room):
        """What a room was told since the last time."""
        events = [event for to, event in self.events if to == room]
        self.events.clear()
        return [(event.type, event.data) for event in events]

    async def set(self, room, **how):
        await self.home.controls.configure(room, **how)

    async def restart(self, *rooms):
        await self.home.close()
        self.there.clear()
        self.events.clear()
        await self.open(*rooms)


@pytest.fixture
async def house(tmp_path):
    house = House(tmp_path / "hub.db")
    await house.open(KITCHEN, HALL)
    house.events.clear()
    house.shown.clear()
    yield house
    await house.home.close()
    await asyncio.gather(*house.tasks)


def active(house):
    return [word.name for word in house.kitchen.status.wake_words if word.active]


async def test_a_satellite_is_muted_and_unmuted_and_that_is_shown(house):
    await house.set(KITCHEN, muted=True)
    assert house.kitchen.status.muted
    assert house.shown[-1][1]["muted"] is True
    await house.set(KITCHEN, muted=False)
    assert house.shown[-1][1]["muted"] is False
    assert house.sent(KITCHEN) == [("configure", {"muted": True}), ("configure", {"muted": False})]


async def test_wake_words_are_chosen_and_it_returns_when_they_are_listened_for(house):
    began = asyncio.get_running_loop().time()
    await house.set(KITCHEN, wake_words=["alexa"])
    assert active(house) == ["alexa"]
    assert asyncio.get_running_loop().time() - began == pytest.approx(house.kitchen.takes)
    assert house.shown[-1] == (
        KITCHEN,
        {
            "muted": False,
            "volume": 1.0,
            "wake_words": [
                WakeWordView("hey_jarvis", "Hey_Jarvis", False),
                WakeWordView("alexa", "Alexa", True),
            ],
        },
    )


async def test_what_was_set_is_told_to_a_satellite_that_comes_back(house):
    await house.set(KITCHEN, muted=True, wake_words=["alexa", "hey_jarvis"])
    house.leaves(KITCHEN)
    house.kitchen = Satellite()  # it was restarted
    await house.arrives(KITCHEN)
    assert house.kitchen.status.muted
    assert active(house) == ["hey_jarvis", "alexa"]


async def test_it_is_kept_while_the_hub_is_restarted(house):
    await house.set(KITCHEN, muted=True, wake_words=["alexa"])
    house.kitchen = Satellite()
    await house.restart(KITCHEN)
    assert house.kitchen.status.muted
    assert active(house) == ["alexa"]
    await house.set(KITCHEN, muted=False)
    house.kitchen = Satellite()
    await house.restart(KITCHEN)
    assert not house.kitchen.status.muted
    assert active(house) == ["alexa"]


async def test_a_satellite_for_which_nothing_was_set_is_only_asked_how_it_is(house):
    house.leaves(KITCHEN)
    await house.arrives(KITCHEN)
    assert house.sent(KITCHEN) == [("configure", {})]
    assert house.shown[-1][0] == KITCHEN


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["hey_parrot"], "unknown-wake-word", "hey_jarvis, alexa"),
        (["alexa", "hey_parrot"], "unknown-wake-word", "hey_parrot"),
        ([], "unknown-wake-word", "at least one"),
    ],
)
async def test_words_that_the_satellite_has_not_are_refused_and_nothing_is_sent(
    house, words, code, said
):
    with pytest.raises(NotSet, match=said) as refused:
        await house.set(KITCHEN, wake_words=words)
    assert refused.value.code == code
    assert house.sent(KITCHEN) == []


async def test_a_satellite_whose_words_the_hub_hears_says_where_they_are_chosen(house):
    house.leaves(KITCHEN)
    house.kitchen = Satellite()
    house.kitchen.change(wake_words=())
    await house.arrives(KITCHEN)
    with pytest.raises(NotSet, match=r"hub\.toml") as refused:
        await house.set(KITCHEN, wake_words=["alexa"])
    assert refused.value.code == "not-possible"


async def test_words_that_cannot_be_loaded_are_not_kept_and_the_reason_is_told(house):
    house.kitchen.problem = "alexa.tflite is damaged"
    with pytest.raises(NotSet, match="damaged") as refused:
        await house.set(KITCHEN, wake_words=["alexa"])
    assert refused.value.code == "not-done"
    house.leaves(KITCHEN)
    house.events.clear()
    await house.arrives(KITCHEN)
    assert house.sent(KITCHEN) == [("configure", {})]


async def test_a_satellite_that_does_not_answer_is_not_waited_for_for_ever(house):
    house.kitchen.deaf = True
    began = asyncio.get_running_loop().time()
    for how in ({"muted": True}, {"wake_words": ["alexa"]}):
        with pytest.raises(NotSet, match="does not answer") as refused:
            await house.set(KITCHEN, **how)
        assert refused.value.code == "no-answer"
    assert asyncio.get_running_loop().time() - began < 60


async def test_a_satellite_that_goes_meanwhile_is_not_waited_for(house):
    house.kitchen.takes = 30
    setting = asyncio.create_task(house.set(KITCHEN, wake_words=["alexa"]))
    await asyncio.sleep(1)
    house.leaves(KITCHEN)
    began = asyncio.get_running_loop().time()
    with pytest.raises(NotSet) as refused:
        await setting
    assert refused.value.code == "no-satellite"
    assert asyncio.get_running_loop().time() - began < 1


async def test_two_who_set_the_same_satellite_at_once_do_so_one_after_the_other(house):
    await asyncio.gather(
        house.set(KITCHEN, wake_words=["alexa"]),
        house.set(KITCHEN, muted=True),
        house.set(KITCHEN, wake_words=["hey_jarvis"]),
    )
    assert active(house) == ["hey_jarvis"]
    assert house.kitchen.status.muted


async def test_another_makers_satellite_is_muted_with_wyomings_own_events(house):
    await house.set(HALL, muted=True)
    assert house.shown[-1] == (HALL, {"muted": True})
    await house.set(HALL, muted=False)
    assert [kind for kind, _ in house.sent(HALL)] == [
        PauseSatellite().event().type,
        RunSatellite().event().type,
    ]
    assert house.shown[-1] == (HALL, {"muted": False})
    with pytest.raises(NotSet, match="another maker") as refused:
        await house.set(HALL, wake_words=["alexa"])
    assert refused.value.code == "not-possible"


async def test_another_makers_satellite_that_comes_back_is_muted_again(house):
    await house.set(HALL, muted=True)
    house.leaves(HALL)
    house.events.clear()
    await house.arrives(HALL)
    assert [kind for kind, _ in house.sent(HALL)] == ["pause-satellite"]
    assert house.shown[-1] == (HALL, {"muted": True})


async def test_where_nobody_is_nothing_is_set(house):
    with pytest.raises(NotSet) as refused:
        await house.set("Attic", muted=True)
    assert refused.value.code == "no-satellite"


async def test_a_volume_that_is_asked_for_aloud_is_shown(house):
    command = house.home.understand("Volume 3.", Place(KITCHEN))
    assert await command.do() == "Volume 30 percent."
    assert (KITCHEN, {"volume": 0.3}) in house.shown


async def test_louder_begins_where_the_satellite_is_and_that_is_not_kept(house):
    house.leaves(KITCHEN)
    house.kitchen = Satellite(level=0.4)
    await house.arrives(KITCHEN)
    assert house.shown[-1][1]["volume"] == 0.4
    assert house.home.volumes.kept() == {}
    command = house.home.understand("Louder.", Place(KITCHEN))
    assert await command.do() == "Volume 55 percent."


async def test_a_satellite_that_says_something_of_itself_unasked_is_believed(house):
    house.kitchen.change(muted=True)  # by a switch of its own
    house.report(house.kitchen.status)
    assert house.shown[-1][1]["muted"] is True
    house.leaves(KITCHEN)
    house.events.clear()
    await house.arrives(KITCHEN)
    assert house.sent(KITCHEN) == [("configure", {})]  # nobody has chosen it here
