"""The conversation of a tab: what begins there is seen, what is hidden stays hidden."""

import msgspec
import pytest
from browser import opened
from pretend_turns import WAIT, pretend_events, snapshot, turn

from hub.live.state import Clause, RoomView

pytestmark = pytest.mark.local  # the page is on the hub's own machine


async def ask(page, question):
    """Type a question; return the card of its turn when it has ended."""
    cards = page.locator(".turn")
    before = await cards.count()
    await page.get_by_label("Type a question").fill(question, timeout=WAIT)
    await page.keyboard.press("Enter")
    card = cards.nth(before)
    await card.locator(".said", has_text=question).wait_for(timeout=WAIT)
    await page.locator(f'.turn[data-state="ended"] >> nth={before}').wait_for(timeout=WAIT)
    return card


def is_seen(card):
    """Whether the end of something is within the part of the conversation that shows."""
    return card.evaluate(
        "(card) => { const frame = card.closest('.conversation').getBoundingClientRect();"
        " const end = card.getBoundingClientRect().bottom;"
        " return end > frame.top && end <= frame.bottom + 1; }"
    )


@pytest.mark.long
async def test_a_new_turn_is_seen_wherever_one_has_scrolled_to(hub, browser):
    async with opened(browser, hub.web_address) as page:
        for _ in range(5):
            card = await ask(page, "What is the capital of France?")
        await card.locator(".more").click()
        assert await is_seen(card.locator(".turn-waterfall"))
        await page.locator(".conversation").evaluate("(all) => { all.scrollTop = 0; }")
        card = await ask(page, "What is the capital of Spain?")
        assert await is_seen(card)
        await page.locator(".conversation").evaluate("(all) => { all.scrollTop = 0; }")
        await page.get_by_role("button", name="New conversation").click()
        await page.locator(".break").wait_for(timeout=WAIT)
        assert await is_seen(page.locator(".break"))


async def test_hidden_text_stays_hidden_when_one_looks_elsewhere_and_comes_back(hub, browser):
    async with opened(browser, hub.web_address) as page:
        card = await ask(page, "What is the capital of France?")
        await page.get_by_role("button", name="Hide text", exact=True).first.click()
        await page.goto(hub.web_address + "/#/engines")
        await page.locator(".engine").first.wait_for(timeout=WAIT)
        await page.goto(hub.web_address + "/#/talk")
        await card.locator(".more").wait_for(timeout=WAIT)
        assert not await card.locator(".said").is_visible()
        assert not await card.locator(".reply").is_visible()
        assert not await page.locator(".rail .room-last").first.is_visible()
        await page.get_by_role("button", name="Show text", exact=True).first.click()
        assert await card.locator(".said").is_visible()


async def test_beside_the_conversation_are_rooms_in_which_somebody_may_be(hub, browser):
    told = msgspec.structs.replace(
        snapshot(),
        rooms=[
            RoomView("Attic", "tab", "offline"),
            RoomView("Kitchen", "satellite", "idle"),
            RoomView("Study", "tab", "idle"),
            RoomView("written", "text", "idle"),
        ],
    )
    async with opened(browser, hub.web_address) as page:
        await pretend_events(page, told)
        assert await page.locator(".rail .room-name").all_inner_texts() == [
            "Kitchen",
            "Study",
            "Attic",
        ]
        await page.goto(hub.web_address + "/#/rooms")
        names = await page.locator(".rooms-side .room-name").all_inner_texts()
        assert names == ["Kitchen", "Study", "Attic", "written"]
        # Nothing rings in a tab that was closed.
        options = await page.locator("#timer-room option").all_inner_texts()
        assert options == ["Kitchen", "Study"]


async def test_a_turn_of_which_no_word_was_heard_claims_to_have_understood_none(hub, browser):
    sorry = turn(1, said="", outcome="failed", reply=[Clause("Sorry.", True)], heard="Sorry.")
    async with opened(browser, hub.web_address, "#/rooms/Kitchen") as page:
        await pretend_events(page, snapshot(sorry))
        assert await page.locator(".turn .meaning").inner_text() == ""
        assert await page.locator(".turn .reply").inner_text() == "Sorry."
