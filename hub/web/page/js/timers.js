/* Timers, alarms and reminders: they count down here, and ring in their rooms. */

import { attempt, notice } from "./notices.js";
import { announce, post, remove } from "./api.js";
import { h, icon, offer, reconcile, setText } from "./dom.js";
import { clock, countdown, parseDuration, spoken } from "./format.js";

const TICK = 250; // ms
const MISSED = {
  interrupted: "the announcement was interrupted.",
  busy: "somebody spoke there all the while.",
  gone: "the satellite has gone.",
};
const KINDS = { timer: "Timer", alarm: "Alarm", reminder: "Reminder" };

export class TimerList {
  #rows = new Map();
  #list = h("ul.timer-list");
  #empty = h("p.nothing", { text: "No timer is set." });
  #tick = 0;

  constructor(live) {
    this.live = live;
    this.el = h("div.timers", {}, this.#list, this.#empty);
  }

  update() {
    const timers = this.live.timers;
    reconcile(
      this.#list,
      timers,
      (timer) => timer.id,
      () => this.#row(),
      this.#rows,
    );
    this.#empty.hidden = timers.length > 0;
    clearInterval(this.#tick);
    if (timers.length) this.#tick = setInterval(() => this.#count(), TICK);
    this.#count();
  }

  dispose() {
    clearInterval(this.#tick);
  }

  #count() {
    const now = this.live.now();
    for (const row of this.#rows.values()) row.count(now);
  }

  #row() {
    let timer = null;
    const left = h("span.timer-left", { role: "timer", "aria-live": "off" });
    const name = h("span.timer-name");
    const where = h("span.timer-where");
    const bar = h("span.timer-bar", { "aria-hidden": "true" }, h("i"));
    const cancel = h("button.quiet.icon-only", {}, icon("close"));
    cancel.addEventListener("click", () => {
      void attempt(() => remove(`/api/timers/${encodeURIComponent(timer.id)}`));
    });
    return {
      el: h("li.timer", {}, left, name, where, cancel, bar),
      update: (now) => {
        timer = now;
        const what = timer.name || KINDS[timer.what];
        setText(name, what);
        const rings = timer.due === null ? "paused" : `rings at ${clock(timer.due)}`;
        setText(where, `${timer.room}, ${rings}`);
        cancel.setAttribute("aria-label", `Cancel ${what}`);
        cancel.title = `Cancel ${what}`;
      },
      count: (now) => {
        const rest = timer.due === null ? timer.left : timer.due - now;
        setText(left, rest <= 0 ? "now" : countdown(rest));
        const part = timer.seconds > 0 ? Math.min(1, Math.max(0, rest / timer.seconds)) : 0;
        bar.style.setProperty("--part", part.toFixed(4));
      },
    };
  }
}

const field = (label, input, kind = "div.field") =>
  h(kind, {}, h("label", { for: input.id, text: label }), input);

/** A form that starts a timer in one of the rooms. */
export class TimerForm {
  #room = h("select", { id: "timer-room", name: "room" });
  #time = h("input", {
    id: "timer-time",
    type: "text",
    required: true,
    autocomplete: "off",
    placeholder: "5 min",
  });
  #name = h("input", {
    id: "timer-name",
    type: "text",
    maxlength: "60",
    autocomplete: "off",
    placeholder: "Tea",
  });
  #problem = h("p.field-problem", { role: "alert" });

  constructor() {
    this.el = h(
      "form.row-form",
      { on: { submit: (event) => this.#start(event) } },
      field("For", this.#time),
      field("Name", this.#name),
      field("Room", this.#room),
      h("button.solid", { type: "submit", text: "Start timer" }),
      this.#problem,
    );
  }

  /** Offer these rooms. */
  update(rooms) {
    offer(
      this.#room,
      rooms.map((room) => [room, room]),
    );
  }

  /** Choose the room where it rings. */
  choose(room) {
    this.#room.value = room;
  }

  async #start(event) {
    event.preventDefault();
    const seconds = Math.round(parseDuration(this.#time.value));
    const wrong = !Number.isFinite(seconds) || seconds <= 0;
    setText(this.#problem, wrong ? "How long? Like 5 min, 90 s or 1:30." : "");
    if (wrong) return this.#time.focus();
    const asked = { room: this.#room.value, seconds };
    if (this.#name.value.trim()) asked.name = this.#name.value.trim();
    if (await attempt(() => post("/api/timers", asked), `A timer for ${spoken(seconds)} runs.`)) {
      this.#time.value = this.#name.value = "";
    }
  }
}

/** A form that announces something, in one room or in all. */
export class AnnounceForm {
  #text = h("input", {
    id: "announce-text",
    type: "text",
    required: true,
    maxlength: "500",
    autocomplete: "off",
    placeholder: "Dinner is ready",
  });
  #room = h("select", { id: "announce-room" });

  constructor() {
    this.el = h(
      "form.row-form",
      { on: { submit: (event) => this.#announce(event) } },
      field("Say", this.#text, "div.field.wide"),
      field("Where", this.#room, "div.field.wide"),
      h("button.solid", { type: "submit", text: "Announce" }),
    );
  }

  update(rooms) {
    offer(this.#room, [["", "Every room"], ...rooms.map((room) => [room, room])]);
  }

  async #announce(event) {
    event.preventDefault();
    const text = this.#text.value.trim();
    if (!text) return;
    const asked = this.#room.value ? { text, room: this.#room.value } : { text };
    this.#text.value = "";
    // It waits for conversations that go on, and is answered when it was heard.
    notice("It is said as soon as nobody speaks there.");
    await attempt(async () => {
      const { rooms } = await announce(asked);
      const missed = Object.entries(rooms).filter(([, fate]) => fate !== "heard");
      for (const [room, fate] of missed) notice(`${room}: ${MISSED[fate] ?? fate}`, "bad");
      if (!missed.length) notice("Announced.");
    });
  }
}
