/* The past: every turn that the hub remembers, and where its time went. */

import { get } from "../api.js";
import { h, icon, offer, reconcile, setText } from "../dom.js";
import { clock, duration, ending, machineTime } from "../format.js";
import { answerTime, replyOf } from "../stages.js";
import { Statistics } from "../statistics.js";
import { Waterfall, sparkline } from "../waterfall.js";

const PAGE = 40; // turns shown at once
const COLUMNS = ["Time", "Room", "Said", "How it ended", "First sound", "Until then"];

export class TurnsView {
  #turns = new Map(); // id -> turn, of the page that is shown
  #before = []; // where each earlier page began
  #room = "";
  #more = false;
  #rows = new Map();
  #body = h("tbody");
  #status = h("p.nothing", { role: "status", text: "Looking …" });
  #filter = h("select", { id: "turns-room" });
  #newer = h("button.quiet", { text: "Newer", disabled: true });
  #older = h("button.quiet", { text: "Older", disabled: true });
  #asked = 0;

  constructor({ live, signal }) {
    this.live = live;
    this.statistics = new Statistics();
    this.#filter.addEventListener("change", () => {
      this.#room = this.#filter.value;
      this.#before = [];
      void this.#load();
    });
    this.#older.addEventListener("click", () => {
      this.#before.push(Math.min(...[...this.#turns.values()].map((turn) => turn.began)));
      void this.#load();
    });
    this.#newer.addEventListener("click", () => {
      this.#before.pop();
      void this.#load();
    });
    signal.addEventListener("abort", () => (this.#asked += 1));
    const head = h("tr", {}, ...COLUMNS.map((text) => h("th", { scope: "col", text })));
    this.el = h(
      "div.turns-view",
      {},
      h(
        "section.turns-main",
        { "aria-labelledby": "turns-title" },
        h(
          "header.section-head",
          {},
          h("h1", { id: "turns-title", text: "Turns" }),
          h("div.field.inline", {}, h("label", { for: "turns-room", text: "Room" }), this.#filter),
        ),
        h(
          "table.turns-table",
          { "aria-labelledby": "turns-title" },
          h("thead", {}, head),
          this.#body,
        ),
        this.#status,
        h("div.pager", {}, this.#newer, this.#older),
      ),
      this.statistics.el,
    );
  }

  show() {
    this.update({ all: true, turns: new Set() });
  }

  update(change) {
    if (change.all || change.rooms) this.#offerRooms();
    for (const id of change.turns) {
      const turn = this.live.turns.get(id);
      if (!turn) continue;
      if (turn.state === "ended") this.statistics.turnEnded();
      const wanted = !this.#room || turn.room === this.#room;
      if (wanted && (this.#turns.has(id) || !this.#before.length)) this.#turns.set(id, turn);
    }
    if (change.turns.size) this.#draw();
    if (change.all) void this.#load();
  }

  dispose() {
    this.statistics.dispose();
  }

  #offerRooms() {
    const names = new Set([...this.live.rooms.keys(), this.#room].filter(Boolean));
    offer(this.#filter, [["", "All rooms"], ...[...names].map((name) => [name, name])]);
  }

  async #load() {
    const asked = (this.#asked += 1);
    const wanted = new URLSearchParams({ limit: String(PAGE) });
    if (this.#room) wanted.set("room", this.#room);
    if (this.#before.length) wanted.set("before", String(this.#before.at(-1)));
    let turns;
    let problem = "";
    try {
      ({ turns } = await get(`/api/turns?${wanted}`));
    } catch (refused) {
      [turns, problem] = [[], refused.message];
    }
    if (asked !== this.#asked) return;
    this.#more = turns.length >= PAGE;
    this.#turns = new Map(turns.map((turn) => [turn.id, turn]));
    if (!this.#before.length)
      for (const turn of this.live.lastTurns())
        if (!this.#room || turn.room === this.#room) this.#turns.set(turn.id, turn);
    this.#draw();
    const history = this.live.hub?.history ?? "";
    setText(this.#status, problem || (this.#turns.size ? history : history || "No turn yet."));
  }

  #draw() {
    const turns = [...this.#turns.values()].sort((one, other) => other.began - one.began);
    for (const turn of turns.splice(PAGE)) {
      this.#turns.delete(turn.id);
      this.#more = true;
    }
    reconcile(
      this.#body,
      turns.flatMap((turn) => [turn, { id: `${turn.id} more`, turn, more: true }]),
      (item) => item.id,
      (item) => (item.more ? new Details(this, item.turn.id) : new Row(this)),
      this.#rows,
    );
    this.#newer.disabled = !this.#before.length;
    this.#older.disabled = !this.#more;
    if (turns.length && this.#status.textContent === "No turn yet.") setText(this.#status, "");
  }

  /** Show or hide where the time of a turn went. */
  toggle(id) {
    return this.#rows.get(`${id} more`).toggle();
  }
}

class Row {
  #turn = null;
  #time = h("time");
  #open = h("button.quiet.row-open", { "aria-expanded": "false" }, icon("chevron"), this.#time);
  #cells = Object.fromEntries(
    ["room", "said", "outcome", "figure", "stages"].map((name) => [name, h(`td.${name}`)]),
  );

  constructor(view) {
    this.el = h("tr.turn-row", {}, h("td.when", {}, this.#open), ...Object.values(this.#cells));
    this.el.addEventListener("click", () => {
      this.#open.setAttribute("aria-expanded", String(view.toggle(this.#turn.id)));
    });
  }

  update(turn) {
    if (turn === this.#turn) return;
    this.#turn = turn;
    setText(this.#time, clock(turn.began, true));
    this.#time.dateTime = machineTime(turn.began);
    this.#open.setAttribute("aria-label", `Where the time went, ${clock(turn.began, true)}`);
    const { room, said, outcome, figure, stages } = this.#cells;
    const words = turn.announcement ? replyOf(turn) : turn.said;
    setText(room, turn.room);
    setText(said, words || turn.partial || "–");
    said.title = words;
    said.classList.toggle("faint", !words);
    setText(outcome, turn.state === "ended" ? ending(turn) : "goes on");
    outcome.dataset.outcome = turn.outcome;
    const waited = answerTime(turn);
    setText(figure, duration(waited));
    figure.classList.toggle("faint", waited === null);
    stages.replaceChildren(sparkline(turn));
  }
}

class Details {
  #turn = null;
  #waterfall = null;
  #place = h("td", { colspan: String(COLUMNS.length) });

  constructor(view, id) {
    this.view = view;
    this.id = id;
    this.el = h("tr.turn-details", { hidden: true }, this.#place);
  }

  update({ turn }) {
    if (turn === this.#turn) return;
    this.#turn = turn;
    this.#waterfall?.update(turn);
  }

  toggle() {
    this.el.hidden = !this.el.hidden;
    this.#waterfall = this.el.hidden ? null : new Waterfall();
    this.#place.replaceChildren();
    if (this.#waterfall) {
      this.#waterfall.update(this.#turn);
      this.#place.append(...words(this.#turn), this.#waterfall.el, work(this.#turn));
    }
    return !this.el.hidden;
  }
}

function words(turn) {
  const reply = turn.heard || replyOf(turn);
  return [
    turn.said ? h("p.said", { text: turn.said }) : null,
    reply ? h("p.reply", { text: reply }) : null,
    turn.problem ? h("p.problem", { text: turn.problem }) : null,
  ].filter(Boolean);
}

/* What was computed, reused and thrown away. */
function work(turn) {
  const list = h("dl.work");
  for (const [name, count] of Object.entries(turn.work))
    list.append(
      h("div", {}, h("dt", { text: name.replaceAll("_", " ") }), h("dd", { text: String(count) })),
    );
  return list;
}
