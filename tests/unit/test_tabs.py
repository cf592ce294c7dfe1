"""Which room a browser tab is."""

import pytest

from hub.web.tabs import MOST_TABS, Tabs


class Rooms:
    def __init__(self):
        self.forgotten = []

    def forget(self, name):
        self.forgotten.append(name)


class House:
    def __init__(self):
        self.rooms = Rooms()
        self.now = 1000.0
        self.taken = set()
        self.tabs = Tabs(self.rooms, lambda name: name.casefold() in self.taken, lambda: self.now)

    def visit(self, tab, wished=""):
        room = self.tabs.enter(tab, wished)
        self.tabs.leave(tab, room)
        return room


@pytest.fixture
def house():
    return House()


def test_tabs_are_counted_and_keep_their_rooms(house):
    assert [house.tabs.enter(tab, "") for tab in "abc"] == ["Browser", "Browser 2", "Browser 3"]
    house.tabs.leave("b", "Browser 2")
    assert house.tabs.enter("d", "") == "Browser 4"
    assert house.tabs.enter("b", "Study") == "Browser 2"


def test_a_room_waits_ten_minutes_for_its_tab_and_is_then_forgotten(house):
    assert house.visit("a") == "Browser"
    house.now += 599
    assert house.visit("a") == "Browser"
    assert house.rooms.forgotten == []
    house.now += 600
    assert house.visit("b") == "Browser"
    assert house.rooms.forgotten == ["Browser"]


def test_a_tab_that_stays_is_not_forgotten(house):
    house.tabs.enter("a", "")
    house.now += 100_000
    assert house.visit("b") == "Browser 2"
    assert house.rooms.forgotten == []


def test_a_tab_whose_newer_connection_is_here_keeps_its_room(house):
    house.tabs.enter("a", "")
    house.tabs.enter("a", "")
    house.tabs.leave("a", "Browser")
    house.now += 10_000
    assert house.visit("b") == "Browser 2"


def test_a_name_is_wished_for_and_given_where_it_is_free(house):
    house.taken = {"kitchen"}
    assert house.visit("a", "Study") == "Study"
    assert house.visit("b", "study") == "study 2"
    assert house.visit("c", " Kitchen ") == "Kitchen 2"
    assert house.visit("d", "Browser 7") == "Browser 7"  # the hub was restarted
    assert house.visit("e", "Browser 7") == "Browser 2"
    assert house.visit("f", "x" * 100) == "x" * 100
    assert house.visit("g", "x" * 100) == "x" * 80 + " 2"


@pytest.mark.parametrize("wished", ["", "  ", "a\nb", "y" * 101, " 7"])
def test_what_is_no_name_is_not_given(house, wished):
    room = house.visit("a", wished)
    assert room in ("Browser", "7")
    assert room.isprintable()


def test_a_room_that_became_a_satellite_s_is_no_tab_s_any_more(house):
    assert house.visit("a", "Study") == "Study"
    house.taken = {"study"}
    assert house.visit("a", "Study") == "Study 2"


def test_a_tab_that_made_place_for_a_satellite_is_here_though_its_old_connection_ends_later(house):
    house.tabs.enter("a", "Study")
    house.taken = {"study"}
    assert house.tabs.enter("a", "Study") == "Study 2"
    house.tabs.leave("a", "Study")
    house.now += 10_000
    assert house.visit("b", "Study 2") == "Study 3"
    assert house.rooms.forgotten == []
    house.tabs.leave("a", "Study 2")


def test_what_a_satellite_s_room_remembers_is_not_forgotten_with_the_tab_that_had_its_name(house):
    house.visit("a", "Study")
    house.taken = {"study"}
    house.now += 10_000
    house.visit("b")
    assert house.rooms.forgotten == []


def test_there_is_a_most_of_tabs_and_one_that_is_here_may_come_again(house):
    for number in range(MOST_TABS):
        assert house.tabs.enter(str(number), "") is not None
    assert house.tabs.enter("one more", "") is None
    assert house.tabs.enter("3", "") == "Browser 4"
    house.tabs.leave("0", "Browser")
    assert house.tabs.enter("one more", "") is not None


def test_any_number_of_tabs_that_came_and_went_takes_little_memory(house):
    for number in range(10_000):
        house.visit(str(number))
    assert len(house.tabs._tabs) <= 64
    assert len(house.rooms.forgotten) >= 9_900
