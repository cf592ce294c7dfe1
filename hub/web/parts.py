"""What the HTTP side sees of the hub."""

from dataclasses import dataclass, field

from hub.adjust import Adjustments
from hub.config import Settings
from hub.conversation.room import Rooms
from hub.conversation.stages import Engines
from hub.engines.base import WakeWord
from hub.engines.supervisor import Supervised
from hub.home.everything import Everything
from hub.live.live import Live
from hub.recordings import Recordings
from hub.service.announcer import Announcer
from hub.service.satellites import SatelliteServer
from hub.store import Store
from hub.web.metrics import Metrics
from hub.web.steps import Steps


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one hub.

    Args:
        settings: all of them, as they hold now.
        adjust: changes those that can be changed while it runs.
        engines: the models.
        wake: the hub's wake words.
        rooms: where somebody speaks.
        conversations: rooms in which somebody writes.
        satellites: who is connected.
        announcer: speaks where nobody asked.
        home: timers, volumes, Home Assistant.
        store: the record of turns.
        live: what goes on.
        recordings: sound that is kept for a while.
        steps: transcribes and speaks for whoever asks.
        metrics: counts.
    """

    settings: Settings
    adjust: Adjustments
    engines: Engines
    wake: Supervised[WakeWord]
    rooms: Rooms
    conversations: Rooms
    satellites: SatelliteServer
    announcer: Announcer
    home: Everything
    store: Store
    live: Live
    recordings: Recordings
    steps: Steps
    metrics: Metrics = field(default_factory=Metrics)
