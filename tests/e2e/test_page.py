"""The page in a real Chromium: what it shows, and what it changes."""

import asyncio

import pytest
from browser import opened
from guarded_hub import PASSWORD, running_hub
from page_checks import LAYOUT_SHIFTS
from pretend_turns import WAIT, pretend_events, snapshot, turn
from processes import VOICE

from hub.live.state import Clause

pytestmark = pytest.mark.local  # the page is on the hub's own machine


async def setting(page, key):
    """A setting, as the hub has it."""
    told = await page.evaluate("fetch('/api/settings').then((answer) => answer.json())")
    return next(one for one in told["settings"] if one["key"] == key)


async def test_a_satellites_turn_is_shown_step_by_step_without_layout_jumps(
    house, ask, browser, tmp_path
):
    async with (
        house.hub() as hub,
        house.satellite(hub.address) as kitchen,
        opened(browser, hub.web, "#/rooms/kitchen") as page,
    ):
        await page.locator(".room-open h1", has_text="kitchen").wait_for(timeout=WAIT)
        await page.evaluate(LAYOUT_SHIFTS)
        house.say(kitchen, "1", VOICE, ask("What is the capital of France?"))
        card = page.locator(".room-open .turn")
        await card.locator('.step-heard[data-state="active"]').wait_for(timeout=WAIT)
        assert await page.locator(".room-open .room-state").inner_text() == "Listening"
        said = card.locator(".said:not(.partial)", has_text="capital of France")
        await said.wait_for(timeout=WAIT)
        await card.locator(".reply", has_text="Paris").wait_for(timeout=WAIT)
        await page.locator('.room-open .turn[data-state="ended"]').wait_for(timeout=WAIT)
        for step in ("heard", "understood", "answered", "spoken"):
            row = card.locator(f'.step-{step}[data-state="done"]')
            assert "s" in await row.locator(".step-time").inner_text(), step
        assert "ms" in (figure := await card.locator(".figure").inner_text()) or "s" in figure
        assert await page.evaluate("window.shifts") < 0.02

        await card.locator(".more").click()
        stages = await card.locator(".wf-row:not(.empty) .wf-name").all_inner_texts()
        for stage in ("They speak", "Transcribe", "Write", "Speak", "Play"):
            assert stage in stages
        assert await card.locator(".wf-mark.first_audio").count() == 1
        await page.screenshot(path=tmp_path / "turn.png")

        replay = card.get_by_label("Play the answer again")
        await replay.click()
        await page.wait_for_selector(".replay[data-playing]")
        await replay.click()
        assert await page.locator(".replay[data-playing]").count() == 0

        await page.goto(hub.web + "/#/turns")
        row = page.locator(".turn-row", has_text="capital of France")
        await row.wait_for(timeout=WAIT)
        assert await row.locator(".outcome").inner_text() == "Answered"
        await page.locator(".stat-count", has_text="1 turn").wait_for(timeout=WAIT)


async def test_a_typed_question_is_answered_after_one_sentence(hub, browser):
    async with opened(browser, hub.web_address) as page:
        await page.get_by_label("Type a question").fill("What is the capital of France?")
        await page.keyboard.press("Enter")
        await page.locator(".turn .reply", has_text="Paris").wait_for(timeout=WAIT)
        assert await page.get_by_label("Type a question").input_value() == ""
        spoken = page.locator("#spoken", has_text="Paris")  # to a screen reader
        await spoken.wait_for(state="attached", timeout=WAIT)


async def test_a_question_typed_while_the_page_still_connects_is_asked_once_it_has(hub, browser):
    async with opened(browser, hub.web_address) as page:

        async def late(socket):
            await asyncio.sleep(1)
            socket.connect_to_server()

        await page.route_web_socket("**/api/talk*", late)
        await page.reload()
        await page.get_by_label("Type a question").fill("What is the capital of France?")
        await page.keyboard.press("Enter")
        await page.locator(".turn .reply", has_text="Paris").wait_for(timeout=WAIT)
        assert await page.get_by_label("Type a question").input_value() == ""


async def test_a_new_conversation_begins_below_a_line(hub, browser):
    async with opened(browser, hub.web_address) as page:
        await page.get_by_label("Type a question").fill("What is the capital of France?")
        await page.keyboard.press("Enter")
        await page.locator('.turn[data-state="ended"]').wait_for(timeout=WAIT)
        await page.get_by_role("button", name="New conversation").click()
        await page.locator(".break", has_text="New conversation").wait_for(timeout=WAIT)
        assert await page.locator(".turn.past").count() == 1


async def test_an_announcement_is_said_where_it_was_sent(hub, browser):
    async with opened(browser, hub.web_address, "#/rooms") as page:
        await page.locator(".room-link").first.wait_for(timeout=WAIT)  # this tab is a room, too
        await page.get_by_label("Say", exact=True).fill("Dinner is ready.")
        await page.get_by_role("button", name="Announce").click()
        await page.locator(".notice", has_text="Announced.").wait_for(timeout=WAIT)
        spoken = page.locator('.turn[data-announcement="yes"] .reply', has_text="Dinner is ready")
        await spoken.wait_for(timeout=WAIT)
        await page.locator('.step-answered[data-state="done"]').wait_for(timeout=WAIT)
        await page.locator('.step-spoken[data-state="done"]').wait_for(timeout=WAIT)


async def test_a_refused_microphone_is_said_in_words(hub, browser):
    async with opened(browser, hub.web_address) as page:
        await page.locator('.mic[data-state="idle"]').click(timeout=WAIT)
        await page.locator(".talk-state", has_text="No microphone").wait_for(timeout=WAIT)
        assert "microphone" in (await page.locator(".talk-hint").inner_text()).lower()


async def test_a_setting_takes_effect_at_once_in_every_tab_and_is_kept_when_asked(hub, browser):
    async with (
        opened(browser, hub.web_address, "#/settings") as page,
        opened(browser, hub.web_address, "#/settings") as other,
    ):
        persona = page.get_by_label("Persona")
        await persona.fill("You are a butler.", timeout=WAIT)
        await page.keyboard.press("Control+Enter")
        there = other.locator(".setting", has_text="llm.persona")
        await there.locator(".setting-mark", has_text="changed").wait_for(timeout=WAIT)
        assert await other.get_by_label("Persona").input_value() == "You are a butler."
        assert (await setting(page, "llm.persona"))["value"] == "You are a butler."
        assert "warm" in await there.locator(".setting-file").inner_text()

        await page.get_by_role("button", name="Keep the changes").click()
        await there.locator(".setting-mark", has_text="kept").wait_for(timeout=WAIT)
        await there.get_by_role("button", name="Back to that").click()
        mine = page.locator(".setting", has_text="llm.persona")
        await mine.locator(".setting-file", has_text="As in hub.toml").wait_for(timeout=WAIT)
        assert "warm" in (await setting(page, "llm.persona"))["value"]


async def test_a_bad_setting_is_refused_in_words_and_changes_nothing(hub, browser):
    # (a refused request is an error to the browser's console)
    refused = "status of 400"
    async with opened(browser, hub.web_address, "#/settings", refused) as page:
        length = page.get_by_label("Length of an answer")
        await length.fill("100000", timeout=WAIT)
        await page.keyboard.press("Enter")
        await page.locator(".field-problem", has_text="From 8 to 2000.").wait_for(timeout=WAIT)
        assert (await setting(page, "llm.max_reply_tokens"))["value"] == 120

        await page.get_by_label("Name", exact=True).fill("")
        await page.keyboard.press("Enter")
        await (
            page.locator(".setting", has_text="What the assistant calls itself")
            .locator(".field-problem:not(:empty)")
            .wait_for(timeout=WAIT)
        )
        # What was refused is still there to be mended, when something else has changed.
        await page.get_by_label("Patience").fill("1.5")
        await page.keyboard.press("Enter")
        await page.locator(".setting-mark", has_text="changed").wait_for(timeout=WAIT)
        assert await length.input_value() == "100000"
        await length.fill("100")
        await page.keyboard.press("Enter")
        await page.locator(".field-problem", has_text="From 8").wait_for(
            state="detached", timeout=WAIT
        )
        assert (await setting(page, "llm.max_reply_tokens"))["value"] == 100


async def test_a_timer_is_set_counts_down_and_is_cancelled(hub, browser):
    async with opened(browser, hub.web_address, "#/rooms") as page:
        await page.locator(".room-link").first.wait_for(timeout=WAIT)  # this tab is a room, too
        await page.get_by_label("For", exact=True).fill("soon")
        await page.get_by_role("button", name="Start timer").click()
        await page.locator(".field-problem", has_text="How long?").wait_for()
        await page.get_by_label("For", exact=True).fill("90 s")
        await page.get_by_label("Name", exact=True).fill("Tea")
        await page.get_by_role("button", name="Start timer").click()
        timer = page.locator(".timer", has_text="Tea")
        await timer.wait_for(timeout=WAIT)
        first = await timer.locator(".timer-left").inner_text()
        assert first.startswith("1:")
        await page.wait_for_timeout(1300)
        assert await timer.locator(".timer-left").inner_text() != first
        await page.get_by_label("Cancel Tea").click()
        await timer.wait_for(state="detached", timeout=WAIT)


async def test_text_is_never_taken_for_markup(hub, browser):
    evil = "<img src=x onerror=alert(1)><b>bold</b>"
    async with opened(browser, hub.web_address, "#/rooms/Kitchen") as page:
        shown = turn(1, said=evil, reply=[Clause(evil, True)], heard=evil, problem=evil)
        await pretend_events(page, snapshot(shown))
        card = page.locator(".turn")
        assert await card.locator(".said").inner_text() == evil
        assert await card.locator(".reply").inner_text() == evil
        assert await card.locator("img, b").count() == 0


async def test_what_was_cut_off_is_marked(hub, browser):
    async with opened(browser, hub.web_address, "#/rooms/Kitchen") as page:
        cut = turn(1, outcome="interrupted", heard="The first half and")
        await pretend_events(page, snapshot(cut))
        assert await page.locator(".turn .cut-mark").inner_text() == "cut off here"
        assert (await page.locator(".turn s.cut").inner_text()).strip() == "the second."
        heard = await page.locator(".turn .heard").all_inner_texts()
        assert " ".join(heard) == "The first half and"


async def test_behind_a_login_everything_works_and_one_can_leave(tmp_path, monkeypatch, browser):
    address = "https://127.0.0.1:0"
    async with running_hub(tmp_path, monkeypatch, address) as guarded:
        # (before the login, the page that was asked for is refused)
        refused = "status of 401"
        async with opened(browser, guarded.url, "", refused, ignore_https_errors=True) as page:
            await page.get_by_label("Password").fill(PASSWORD, timeout=WAIT)
            await page.keyboard.press("Enter")
            await page.locator("#readiness-text", has_text="Ready").wait_for(timeout=WAIT)
            await page.get_by_label("Type a question").fill("What is the capital of France?")
            await page.keyboard.press("Enter")
            await page.locator(".turn .reply", has_text="Paris").wait_for(timeout=WAIT)
            await page.goto(guarded.url + "/#/settings")
            await page.get_by_role("button", name="Log out").click(timeout=WAIT)
            await page.get_by_label("Password").wait_for(timeout=WAIT)
