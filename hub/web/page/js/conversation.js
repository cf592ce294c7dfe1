/* The running conversation of one room. */

import { h, reconcile, setText } from "./dom.js";
import { clock } from "./format.js";
import { TurnCard } from "./turn_card.js";

const NEAR = 120; // pixels from the end within which it is followed

/**
 * @param {import("./live.js").Live} live
 * @param {{empty: string, you?: string}} words
 */
export class Conversation {
  #cards = new Map();
  #room = "";
  #hidden = false;
  #list = h("ol.turns", { "aria-label": "Conversation" });
  #empty;

  constructor(live, { empty }) {
    this.live = live;
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
    const follow = this.el.scrollHeight - this.el.scrollTop - this.el.clientHeight < NEAR;
    const turns = this.live.turnsOf(this.#room);
    const began = this.live.clearedAt(this.#room);
    reconcile(
      this.#list,
      withBreak(turns, began),
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
