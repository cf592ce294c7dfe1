/* Readiness: each engine, where it runs, and what is wrong; the models, and their licences. */

import { get } from "../api.js";
import { h, reconcile, setText } from "../dom.js";
import { ROLES, STATE_WORDS, counted, duration, sortedEngines, spoken } from "../format.js";

const DEVICES = { cpu: "Processor (CPU)", cuda: "Graphics card (CUDA)" };

const deviceName = (device) => DEVICES[device] ?? device;

/** One line about the whole hub: {state: "ready" | "waiting" | "failed" | "offline", text}. */
export function readiness(live) {
  if (!live.everConnected) return { state: "waiting", text: "Connecting" };
  if (!live.connected) return { state: "offline", text: "No connection" };
  const engines = [...live.engines.values()];
  const failed = engines.filter((engine) => engine.state === "failed");
  if (failed.some((engine) => engine.needed)) return { state: "failed", text: "Not working" };
  if (!live.hub.ready) {
    const ready = engines.filter((engine) => engine.state === "ready").length;
    return { state: "waiting", text: `Loading ${ready} of ${engines.length}` };
  }
  return failed.length
    ? { state: "waiting", text: "Ready, in part" }
    : { state: "ready", text: "Ready" };
}

export class EnginesView {
  #rows = new Map();
  #list = h("ul.engines");
  #summary = h("p.lead");
  #models = h("tbody");
  #modelsProblem = h("p.nothing", { text: "Looking …" });
  #about = h("p.about");

  constructor({ live, signal }) {
    this.live = live;
    const head = ["Model", "For", "Licence", "Here"];
    this.el = h(
      "div.setup-view",
      {},
      h(
        "section",
        { "aria-labelledby": "engines-title" },
        h("h1", { id: "engines-title", text: "Engines" }),
        this.#summary,
        this.#list,
      ),
      h(
        "section",
        { "aria-labelledby": "models-title" },
        h("h2", { id: "models-title", text: "Models and their licences" }),
        h(
          "div.scroll",
          { tabindex: "0", role: "region", "aria-labelledby": "models-title" },
          h(
            "table.models",
            { "aria-labelledby": "models-title" },
            h("thead", {}, h("tr", {}, ...head.map((text) => h("th", { scope: "col", text })))),
            this.#models,
          ),
        ),
        this.#modelsProblem,
        h(
          "p.about",
          {},
          "The page's typefaces are Hanken Grotesk and Newsreader, under the ",
          h("a", { href: "/page/fonts/newsreader.OFL.txt", text: "SIL Open Font License" }),
          ".",
        ),
      ),
      h(
        "section",
        { "aria-labelledby": "programs-title" },
        h("h2", { id: "programs-title", text: "For programs" }),
        h(
          "p",
          {},
          "Each step alone, by HTTP: ",
          h("a", { href: "/api/docs", text: "the interfaces, to be tried" }),
          ". The page itself uses nothing else.",
        ),
        this.#about,
      ),
    );
    void this.#loadModels(signal);
  }

  show() {
    this.update({ all: true });
  }

  update(change) {
    if (!(change.all || change.engines || change.hub || change.connection)) return;
    const { hub } = this.live;
    const engines = sortedEngines(this.live);
    reconcile(
      this.#list,
      engines,
      (engine) => engine.role,
      () => new EngineRow(),
      this.#rows,
    );
    setText(this.#summary, summary(this.live, engines));
    if (!hub) return;
    const up = spoken(Math.max(60, Math.floor((this.live.now() - hub.started) / 60) * 60));
    setText(this.#about, `${hub.name}, Parlour ${hub.version}, running for ${up}.`);
  }

  async #loadModels(signal) {
    try {
      const { models } = await get("/api/models");
      if (signal.aborted) return;
      this.#models.replaceChildren(...models.map(modelRow));
      this.#modelsProblem.hidden = true;
    } catch (problem) {
      setText(this.#modelsProblem, problem.message);
    }
  }
}

function summary(live, engines) {
  if (!live.connected) return "The hub can't be reached. This is how it stood last.";
  const devices = [...new Set(engines.map((engine) => engine.device).filter(Boolean))];
  if (!devices.length) return "";
  if (devices.length > 1) return "Each stage says where it runs.";
  const where = { cpu: "on the processor; no graphics card is used", cuda: "on the graphics card" };
  return `Everything runs ${where[devices[0]] ?? `on ${devices[0]}`}.`;
}

class EngineRow {
  #role = h("h3.engine-role");
  #what = h("span.engine-what");
  #name = h("p.engine-name");
  #state = h("span.engine-state");
  #device = h("span.engine-device");
  #facts = h("span.engine-facts");
  #reason = h("p.engine-reason");
  #todo = h("p.engine-todo");

  constructor() {
    this.el = h(
      "li.engine",
      {},
      h("span.lamp"),
      h("div.engine-head", {}, this.#role, this.#what),
      h("div.engine-where", {}, this.#state, this.#device),
      this.#name,
      this.#facts,
      this.#reason,
      this.#todo,
    );
  }

  update(engine) {
    const [role, what] = ROLES[engine.role] ?? [engine.role, ""];
    this.el.dataset.state = engine.state;
    setText(this.#role, role);
    setText(this.#what, what);
    setText(this.#name, engine.name);
    const spared = engine.needed || engine.state === "ready" ? "" : ", can be done without";
    setText(this.#state, STATE_WORDS[engine.state] + spared);
    setText(this.#device, deviceName(engine.device));
    const facts = [];
    if (engine.load_seconds > 0) facts.push(`loaded in ${duration(engine.load_seconds)}`);
    if (engine.restarts) facts.push(`replaced ${counted(engine.restarts, "time")}`);
    if (engine.in_use) facts.push(`${engine.in_use} at work`);
    setText(this.#facts, facts.join(", "));
    setText(this.#reason, engine.reason);
    this.#reason.hidden = !engine.reason;
    setText(this.#todo, engine.todo);
    this.#todo.hidden = !engine.todo;
  }
}

function modelRow(model) {
  const role = ROLES[model.role]?.[0] ?? model.role;
  return h(
    "tr",
    {},
    h("th", { scope: "row", text: model.name }),
    h("td", { text: role }),
    h("td", { text: model.licence }),
    h("td", { text: model.installed + (model.in_use ? ", in use" : ""), title: model.todo }),
  );
}
