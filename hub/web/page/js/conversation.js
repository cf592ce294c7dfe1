/* The running conversation of one room. */

import { h, reconcile, setText } from "./dom.js";
import { clock } from "./format.js";
import { TurnCard } from "./turn_card.js";

const NEAR = 120; // pixels from the end within which it is followed

/**
 * @param {import("./live.js").Live} live
 * @param {{empty: string, own?: boolean}} options own: what begins there is always shown, since it
 *   is oneself who began it
 */
export class Conversation {
  #cards = new Map();
  #room = "";
  #hidden = false;
  #last = ""; // what is at its end: a turn, or the line of a new conversation
  #list = h("ol.turns", { "aria-label": "Conversation" });
  #empty;
  #own;

  constructor(live, { empty, own = false }) {
    this.live = live;
    this.#own = own;
    this.#empty = h("p.conversation-empty", { text: empty });
    this.el = h(
      "div.conversation",
      { tabindex: "0", role: "region", "aria-label": "Conversation" },
      this.#empty,
      this.#list,
    );
  }

  /** Show this room's. */
  show(room) {
    if (room === this.#room) return this.refresh();
    this.clear();
    this.#room = room;
    this.refresh();
    this.el.scrollTop = this.el.scrollHeight;
  }

  /** Draw what has changed. */
  refresh() {
    const turns = this.live.turnsOf(this.#room);
    const began = this.live.clearedAt(this.#room);
    const items = withBreak(turns, began);
    const last = items.at(-1)?.cut ? `break ${began}` : (items.at(-1)?.id ?? "");
    const begins = this.#own && last !== this.#last;
    this.#last = last;
    const end = this.el.scrollHeight - this.el.scrollTop - this.el.clientHeight;
    const follow = begins || end < NEAR;
    reconcile(
      this.#list,
      items,
      (item) => item.id,
      (item) => (item.cut ? new Break() : this.#card()),
      this.#cards,
    );
    for (const turn of turns)
      this.#cards.get(turn.id).el.classList.toggle("past", turn.began < began);
    this.#empty.hidden = turns.length > 0;
    if (follow) this.el.scrollTop = this.el.scrollHeight;
  }

  /** Hide all text, or show it. */
  hideText(hidden) {
    this.#hidden = hidden;
    for (const card of this.#cards.values()) card.hideText?.(hidden);
  }

  clear() {
    for (const card of this.#cards.values()) card.dispose?.();
    this.#cards.clear();
    this.#list.replaceChildren();
  }

  #card() {
    const card = new TurnCard();
    if (this.#hidden) card.hideText(true);
    return card;
  }
}

/* Where a new conversation began. */
class Break {
  el = h("li.break");

  update({ at }) {
    setText(this.el, `New conversation, ${clock(at)}`);
  }
}

function withBreak(turns, began) {
  if (!began) return turns;
  const cut = turns.filter((turn) => turn.began < began).length;
  return [...turns.slice(0, cut), { id: "break", cut: true, at: began }, ...turns.slice(cut)];
}
