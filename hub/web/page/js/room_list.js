/* Every room at a glance: what goes on there, how loud it is, what was said last. */

import { h, reconcile, setAttribute, setText } from "./dom.js";
import { STATE_WORDS } from "./format.js";
import { replyOf } from "./stages.js";

const KINDS = { satellite: "Satellite", tab: "Browser tab", text: "In writing" };
const ORDER = { satellite: 0, tab: 1, text: 2 };

/** Whether it is a browser tab that was closed; a satellite that is away comes back. */
export const isClosedTab = (room) => room.kind === "tab" && room.state === "offline";

/** Rooms in the order in which they are listed: satellites first, closed tabs late, then by name. */
export function sortedRooms(live) {
  return [...live.rooms.values()].sort(
    (one, other) =>
      ORDER[one.kind] - ORDER[other.kind] ||
      isClosedTab(one) - isClosedTab(other) ||
      one.name.localeCompare(other.name),
  );
}

export class RoomList {
  #rows = new Map();
  #list = h("ul.room-list");
  #empty = h("p.nothing", { text: "No room is connected." });
  #chosen = "";
  #own = "";
  #kinds;

  /** @param {string[]} kinds of rooms that are listed */
  constructor(live, kinds = Object.keys(KINDS)) {
    this.live = live;
    this.#kinds = kinds;
    this.el = h("div.rooms-at-a-glance", {}, this.#list, this.#empty);
  }

  /** @param {string} own this tab's room @param {string} chosen the one that is shown beside it */
  update(own, chosen = "") {
    [this.#own, this.#chosen] = [own, chosen];
    const rooms = sortedRooms(this.live).filter((room) => this.#kinds.includes(room.kind));
    reconcile(
      this.#list,
      rooms,
      (room) => room.name,
      () => this.#row(),
      this.#rows,
    );
    this.#empty.hidden = rooms.length > 0;
  }

  /** Show a level; it is not laid out anew for that. */
  level({ room, level }) {
    this.#rows.get(room)?.level(level);
  }

  #row() {
    const name = h("span.room-name");
    const kind = h("span.room-kind");
    const state = h("span.room-state");
    const last = h("span.room-last");
    const meter = h("span.meter", { "aria-hidden": "true" }, h("i"));
    const link = h("a.room-link", {}, h("span.lamp"), name, state, kind, last, meter);
    const el = h("li.room", {}, link);
    return {
      el,
      update: (room) => {
        el.dataset.state = room.state;
        setText(name, room.name);
        setText(kind, room.name === this.#own ? "This tab" : KINDS[room.kind]);
        setText(state, STATE_WORDS[room.state]);
        setText(last, lastWords(this.live.turnsOf(room.name).at(-1)));
        setAttribute(link, "href", `#/rooms/${encodeURIComponent(room.name)}`);
        setAttribute(link, "aria-current", room.name === this.#chosen ? "true" : null);
      },
      level: (level) => meter.style.setProperty("--level", level.toFixed(3)),
    };
  }
}

function lastWords(turn) {
  if (!turn) return "Nothing said yet";
  if (turn.announcement) return replyOf(turn);
  return turn.said || turn.partial || "…";
}
