"""Home Assistant as Parlour's home: its intent engine first, once for each confirmed turn."""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hub.config import Settings
from hub.conversation.requests import is_making_up, needs_of
from hub.engines.choices import llm_model
from hub.home.base import Command, HomeError, Place
from hub.home.exposed import Exposed
from hub.home.home_assistant_api import Api, NoAnswer, NotReached, Refused, read_token
from hub.home.home_assistant_link import Link
from hub.home.home_assistant_sentences import HomeSentences, Match, all_sentences
from hub.home.home_assistant_verdict import Verdict, verdict
from hub.home.tools import Toolbox, toolbox_for

_LOGGER = logging.getLogger(__name__)

CANT_REACH = "I can't reach Home Assistant right now."
NOT_LET_IN = "Home Assistant doesn't let me in. Please check its access token."
UNSURE = "Home Assistant didn't answer, so I don't know whether that worked."
UNCLEAR = "I'm not sure what you want me to do, so I did nothing."

_PATIENCE = 8.0  # seconds for what is meant for the home: it may have to wake a slow device
_SHORT_PATIENCE = 2.0  # for what it makes of a sentence: the language model's answer may wait
# Seconds until a token that was no good, or no file, is looked at again: Home Assistant bans who
# keeps trying.
_RETRY = 60.0
_AGENT = "conversation.home_assistant"
_OLD_AGENT, _OLD = "homeassistant", (2024, 6)  # its name before that version
_CHECK_TIMEOUT = 15.0
_TOO_SMALL = ("0.5b",)  # models that switch the wrong thing too often: docs/home-assistant.md
# Home Assistant has the sentence, and nothing that could do it; said to programmers, in English.
_UNKNOWN_INTENT = re.compile(r"Unknown intent \w+$")
_HOME_NEEDS = frozenset(("home", "media"))  # of `hub.conversation.requests.need_of`


class HomeAssistant:
    """Whatever Home Assistant controls.

    `run` keeps the connection; without it, or while Home Assistant is away, `understand` knows
    what it knew, and doing anything fails with a sentence that says so.

    Args:
        settings: the hub's.
        watch: told what is wrong with the connection, "" for nothing, each time that it was tried.
        model: returns the name of the language model that works at the moment; None goes by the
            settings.
    """

    def __init__(
        self,
        settings: Settings,
        watch: Callable[[str], object] = lambda _: None,
        model: Callable[[], str] | None = None,
    ) -> None:
        self._watch = watch
        self._model = model or (lambda: llm_model(settings.llm))
        self.exposed = Exposed()
        self.trouble = ""  # what is wrong with the connection, for people; "" for nothing
        self._settings = settings.home_assistant
        self._language = settings.language
        self._api: Api | None = None
        self._link: Link | None = None
        self._refused = False
        self._sentences: HomeSentences | None = None

    def _may_control(self) -> bool:
        """Say whether the language model may switch things."""
        if self._settings.control != "auto":
            return self._settings.control == "on"
        name = self._model().lower()  # of a server it may be Qwen2.5-0.5B-Instruct
        return not any(size in name for size in _TOO_SMALL)

    @property
    def asks(self) -> bool:
        """Whether `ask` may know what `understand` does not: always."""
        return True

    def names(self, room: str) -> Sequence[str]:
        """Return names of entities, areas and floors, those of the room's area first."""
        return self.exposed.names(room)

    async def run(self) -> None:
        """Keep connected, and what is exposed current, until cancelled."""
        while True:
            try:
                token = await asyncio.to_thread(read_token, self._settings)
                async with Api(self._settings, token) as self._api:
                    self._refused = False
                    self._link = Link(self._api, self._take, self._report)
                    await self._link.run()
            except NotReached as error:
                self._refused = True
                self._report(str(error))
            finally:
                self._api = None
            await asyncio.sleep(_RETRY)

    def understand(self, text: str, place: Place) -> Command | None:
        """Understand what Home Assistant's own sentences say of what is exposed."""
        if self._sentences is None:
            return None
        area = self.exposed.area(place.room)
        match = self._sentences.understand(text, area)
        if match is None:
            return None
        return Command(match.intent, acts=True, do=partial(self._do, text, match, place))

    async def ask(self, text: str, place: Place) -> str | None:
        """Let Home Assistant understand `text`, and do it; see `hub.home.base.Home.ask`.

        It is first asked what it would make of it, as it acts on guesses, too.
        """
        found = await verdict(self._link, text, self._language, patience=_SHORT_PATIENCE)
        if found is Verdict.OURS or (found is not Verdict.OWNER and self._is_ours(text)):
            return None  # its chat would answer for us, and its sentences would act on a story
        certain = found in (Verdict.DO, Verdict.TELL, Verdict.OWNER)
        meant = any(need.ability in _HOME_NEEDS for need in needs_of(text))
        meant = meant or (not certain and await self._is_action(text))
        if not (certain or meant):
            return None
        try:
            if found is Verdict.GUESS:
                raise _NotUnderstood(UNCLEAR)
            return await self._process(text)  # of NOTHING, for its words alone
        except _NotUnderstood as error:
            if not meant or self.tools_for(text, place) is not None:
                return None
            raise HomeError(str(error)) from None
        except _NoSuchThing as error:
            if self.tools_for(text, place) is not None:
                return None
            # "What is the sun" names a thing that is not exposed, and is for the language model.
            if not (meant or await self._is_action(text)):
                return None
            raise HomeError(str(error)) from None
        except _Away as error:
            if found is Verdict.TELL and not meant:
                return None  # 2024.3 breaks where it has no weather, and is asked for it
            raise HomeError(str(error)) from None

    def _is_ours(self, text: str) -> bool:
        """Say whether a sentence is for Parlour, whatever Home Assistant knows of it."""
        sentences = self._sentences
        return is_making_up(text) or (sentences is not None and sentences.is_ours(text))

    def tools_for(self, text: str, place: Place) -> Toolbox | None:
        """Return what the language model may do about a sentence, which nobody understood.

        Pure. None where the sentence is hardly about the home, or the model is not to do anything.
        """
        if not self._may_control() or self._language != "en":
            return None
        return toolbox_for(text, self.exposed, place.room, self._service)

    async def _service(self, domain: str, service: str, data: dict[str, Any]) -> None:
        """Call a service, once, for something that is exposed."""
        if data["entity_id"] not in self.exposed.states:
            raise HomeError(CANT_REACH)
        if self._api is None:
            raise HomeError(NOT_LET_IN if self._refused else CANT_REACH)
        try:
            await self._api.call(domain, service, data, patience=_PATIENCE)
        except Refused as error:
            raise HomeError(NOT_LET_IN) from error
        except NotReached as error:
            self._report(str(error))
            raise HomeError(CANT_REACH) from error
        except NoAnswer as error:
            _LOGGER.warning("home assistant: a command's fate is not known: %s", error)
            raise HomeError(UNSURE) from error

    async def _do(self, text: str, match: Match, place: Place) -> str | None:
        """Have a sentence done that was understood."""
        area = self.exposed.area(place.room)
        if match.here and area is not None and self._sentences is not None:
            text = await asyncio.to_thread(self._sentences.placed, text, match, area)
        try:
            return await self._process(text)
        except _NotUnderstood:
            return None  # its sentences are other ones than ours
        except (_NoSuchThing, _Away) as error:
            raise HomeError(str(error)) from None

    async def _process(self, text: str) -> str:
        """Send a sentence, once; return what is said of it.

        Raises:
            _NotUnderstood: nothing was done.
            _NoSuchThing: nothing was done, as there is no such thing.
            _Away: it may have been done or not.
            HomeError: it was understood and failed.
        """
        if self._api is None:
            raise _Away(NOT_LET_IN if self._refused else CANT_REACH)
        try:
            response = await self._api.process(
                text, self._language, self._agent(), patience=_PATIENCE
            )
            kind, code, speech = _read(response)
        except Refused as error:
            raise _Away(NOT_LET_IN) from error
        except NotReached as error:
            self._report(str(error))
            raise _Away(CANT_REACH) from error
        except NoAnswer as error:
            _LOGGER.warning("home assistant: a command's fate is not known: %s", error)
            raise _Away(UNSURE) from error
        if kind != "error":
            return speech
        if code == "no_intent_match":
            raise _NotUnderstood(speech)
        if code == "unknown" and _UNKNOWN_INTENT.match(speech):
            raise _NotUnderstood(UNCLEAR)
        if code == "no_valid_targets":
            raise _NoSuchThing(speech)
        raise HomeError(speech or UNSURE)

    async def _is_action(self, text: str) -> bool:
        sentences = self._sentences
        return sentences is not None and await asyncio.to_thread(sentences.is_action, text)

    @property
    def version(self) -> str:
        """Home Assistant's, once it was reached."""
        return self._link.version if self._link is not None else ""

    def _agent(self) -> str:
        numbers = tuple(int(part) for part in self.version.split(".")[:2] if part.isdecimal())
        return _OLD_AGENT if len(numbers) == 2 and numbers < _OLD else _AGENT

    async def _take(self, exposed: Exposed) -> None:
        """Take what is exposed now."""
        self._sentences = await asyncio.to_thread(self._prepare, exposed)
        self.exposed = exposed

    def _prepare(self, exposed: Exposed) -> HomeSentences:
        return all_sentences(self._language).of_home(exposed)

    def _report(self, trouble: str) -> None:
        """Log what is wrong, once; `doctor` says the same."""
        if trouble and trouble != self.trouble:
            _LOGGER.warning("home assistant: %s", trouble)
        elif self.trouble and not trouble:
            _LOGGER.info("home assistant: connected")
        self.trouble = trouble
        self._watch(trouble)


async def check(settings: Settings) -> tuple[bool, str]:
    """Try the connection for `doctor`; say in one line what is well, or what to do."""
    table = settings.home_assistant
    if not table.url:
        return True, "none (home_assistant.url is empty)"
    tried: asyncio.Queue[str] = asyncio.Queue()
    home = HomeAssistant(settings, tried.put_nowait)
    task = asyncio.create_task(home.run())
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT):
            text = await tried.get()
    except TimeoutError:
        text = f"{table.url} does not answer"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if text:
        return False, text
    count = len(home.exposed.entities)
    good = (
        f"{table.url}, version {home.version}; {count} entities in {len(home.exposed.areas)} areas"
    )
    if not count:
        return False, f"{good}: expose some there (Settings, Voice assistants, Expose)"
    return True, f"{good} exposed"


class _NotUnderstood(Exception):
    """Home Assistant knows no such sentence."""


class _NoSuchThing(Exception):
    """Home Assistant takes it for one of its sentences, and knows nothing of that name."""


class _Away(Exception):
    """Home Assistant gave no answer."""


def _read(response: Any) -> tuple[str, str, str]:
    """Return a response's type, its error code ("" for none), and what is said.

    Raises:
        NoAnswer: it is none.
    """
    try:
        kind = response["response_type"]
        code = response.get("data", {}).get("code", "")
        speech = response.get("speech", {}).get("plain", {}).get("speech") or ""
    except (AttributeError, KeyError, TypeError) as error:
        raise NoAnswer("its response cannot be read") from error
    return str(kind), str(code), " ".join(str(speech).split())
