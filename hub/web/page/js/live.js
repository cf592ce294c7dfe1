/* What goes on in the hub: one connection for the whole page, and the state that it tells.
 *
 * Nobody else keeps a copy. Changes are told once a frame at most, however fast they come.
 */

import { goToLogin } from "./api.js";
import { engineKey } from "./engines.js";

export const KEPT = 20; // turns of a room; the hub's store has the others
const KEPT_IN_ALL = 400; // turns, of however many rooms
const SOONEST = 500; // ms until it is tried again
const LATEST = 8_000;
const SILENCE = 400; // ms after which a level that is not told any more is none
const HIDDEN_PACE = 1_000; // ms between changes while nobody sees the page

/**
 * Events: "change", whose detail says what did: {all, hub, rooms, engines, timers, settings,
 * connection: booleans, turns: Set of ids, conversations: Set of rooms}; and "level", with
 * {room, level}.
 */
export class Live extends EventTarget {
  hub = null;
  rooms = new Map(); // by name
  turns = new Map(); // by id
  engines = new Map(); // by role and whether it stands in
  timers = [];
  settings = new Map(); // by key
  connected = false;
  everConnected = false;
  skew = 0; // seconds that the hub's clock is ahead of this one

  #order = new Map(); // room -> ids of its turns, oldest first
  #cleared = new Map(); // room -> when it began a new conversation
  #levels = new Map(); // room -> timer that ends it
  #socket = null;
  #wait = SOONEST;
  #retry = 0;
  #changes = nothing();
  #told = false;

  start() {
    this.#open();
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.#hurry();
    });
    // A page that is put into the browser's back-forward cache loses its connections.
    addEventListener("pagehide", () => this.#socket?.close());
    addEventListener("pageshow", (event) => {
      if (event.persisted) this.#hurry();
    });
  }

  /** The hub's time, in seconds since the epoch. */
  now() {
    return Date.now() / 1000 + this.skew;
  }

  /** The last turns of a room, oldest first. */
  turnsOf(room) {
    return (this.#order.get(room) ?? []).map((id) => this.turns.get(id));
  }

  /** The last turns of all rooms, newest first. */
  lastTurns() {
    return [...this.turns.values()].sort((one, other) => other.began - one.began);
  }

  /** When the room began its present conversation, 0 if that is not known. */
  clearedAt(room) {
    return this.#cleared.get(room) ?? 0;
  }

  #open() {
    clearTimeout(this.#retry);
    this.#retry = 0;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/events`);
    this.#socket = socket;
    let opened = false;
    socket.onopen = () => (opened = true);
    socket.onmessage = (message) => this.#take(JSON.parse(message.data));
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      if (!opened) void this.#askForLogin();
      this.#lost();
    };
  }

  #lost() {
    this.connected = false;
    this.#changed("connection");
    this.#retry = setTimeout(() => this.#open(), this.#wait * (0.8 + 0.4 * Math.random()));
    this.#wait = Math.min(this.#wait * 2, LATEST);
  }

  #hurry() {
    if (this.#socket || !this.#retry) return;
    this.#wait = SOONEST;
    this.#open();
  }

  /* A websocket that is refused does not say why. */
  async #askForLogin() {
    try {
      const answer = await fetch("/api/rooms", { signal: AbortSignal.timeout(5_000) });
      if (answer.status === 401) goToLogin();
    } catch {
      // it is not there at all: tried again like any other
    }
  }

  #take(message) {
    this.skew = message.at - Date.now() / 1000;
    Live.#takers[message.event]?.(this, message);
  }

  /* By kind of message. */
  static #takers = {
    snapshot: (live, message) => live.#snapshot(message),
    hub: (live, { hub }) => {
      live.hub = hub;
      live.#changed("hub");
    },
    room: (live, { room }) => {
      live.rooms.set(room.name, room);
      live.#changed("rooms");
    },
    "room-forgotten": (live, { name }) => live.#forget(name),
    turn: (live, { turn }) => live.#turn(turn),
    conversation: (live, { room, at }) => {
      live.#cleared.set(room, at);
      live.#changed("conversations", room);
    },
    level: (live, { room, level }) => live.#level(room, level),
    engine: (live, { engine }) => {
      live.engines.set(engineKey(engine), engine);
      live.#changed("engines");
    },
    timers: (live, { timers }) => {
      live.timers = timers;
      live.#changed("timers");
    },
    settings: (live, { settings }) => {
      live.settings = new Map(settings.map((one) => [one.key, one]));
      live.#changed("settings");
    },
  };

  #snapshot(message) {
    this.connected = this.everConnected = true;
    this.#wait = SOONEST;
    this.hub = message.hub;
    this.rooms = new Map(message.rooms.map((room) => [room.name, room]));
    this.engines = new Map(message.engines.map((engine) => [engineKey(engine), engine]));
    this.timers = message.timers;
    this.settings = new Map(message.settings.map((one) => [one.key, one]));
    this.turns.clear();
    this.#order.clear();
    for (const turn of [...message.turns].sort((one, other) => one.began - other.began))
      this.#turn(turn);
    for (const room of this.#levels.keys()) this.#level(room, 0);
    this.#changed("all");
  }

  #turn(turn) {
    if (!this.turns.has(turn.id)) {
      const order = this.#order.get(turn.room) ?? [];
      order.push(turn.id);
      while (order.length > KEPT) this.turns.delete(order.shift());
      this.#order.set(turn.room, order);
    }
    this.turns.set(turn.id, turn);
    if (this.turns.size > KEPT_IN_ALL) this.#dropOldest();
    this.#changed("turns", turn.id);
  }

  #dropOldest() {
    const [id, { room }] = this.turns.entries().next().value;
    this.turns.delete(id);
    const order = (this.#order.get(room) ?? []).filter((one) => one !== id);
    if (order.length) this.#order.set(room, order);
    else this.#order.delete(room);
  }

  #forget(name) {
    this.rooms.delete(name);
    for (const id of this.#order.get(name) ?? []) this.turns.delete(id);
    this.#order.delete(name);
    this.#cleared.delete(name);
    clearTimeout(this.#levels.get(name));
    this.#levels.delete(name);
    this.#changed("rooms");
  }

  #level(room, level) {
    clearTimeout(this.#levels.get(room));
    this.#levels.delete(room);
    if (level > 0)
      this.#levels.set(
        room,
        setTimeout(() => this.#level(room, 0), SILENCE),
      );
    this.dispatchEvent(new CustomEvent("level", { detail: { room, level } }));
  }

  #changed(what, which) {
    if (which === undefined) this.#changes[what] = true;
    else this.#changes[what].add(which);
    if (this.#told) return;
    this.#told = true;
    // Nothing is drawn while the page is hidden, but what is read aloud goes on.
    if (document.hidden) setTimeout(() => this.#tell(), HIDDEN_PACE);
    else requestAnimationFrame(() => this.#tell());
  }

  #tell() {
    const detail = this.#changes;
    this.#changes = nothing();
    this.#told = false;
    this.dispatchEvent(new CustomEvent("change", { detail }));
  }
}

function nothing() {
  return {
    all: false,
    hub: false,
    rooms: false,
    engines: false,
    timers: false,
    settings: false,
    connection: false,
    turns: new Set(),
    conversations: new Set(),
  };
}
