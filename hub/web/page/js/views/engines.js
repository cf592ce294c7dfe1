/* Readiness: each engine, where it runs, and what is wrong; the models, and their licences. */

import { get } from "../api.js";
import { h, reconcile, setText } from "../dom.js";
import { ROLES, engineKey, instead, rolesOf } from "../engines.js";
import { STATE_WORDS, counted, duration, spoken } from "../format.js";

const DEVICES = { cpu: "Processor (CPU)", cuda: "Graphics card (CUDA)" };

/* A server elsewhere by its address alone; how it is spoken to is in the settings. */
function deviceName(device) {
  if (/^[a-z+]*unix:/.test(device)) return "Another process";
  const [, host] = /^[a-z+]+:\/\/([^/]+)/.exec(device) ?? [];
  return host ? `At ${host}` : (DEVICES[device] ?? device);
}

/** One line about the whole hub: {state: "ready" | "waiting" | "failed" | "offline", text,
 * more}; more is a sentence, where there is one to say. */
export function readiness(live) {
  if (!live.everConnected) return { state: "waiting", text: "Connecting" };
  if (!live.connected) return { state: "offline", text: "No connection" };
  const roles = rolesOf(live);
  const failed = roles.filter((one) => one.state === "failed");
  if (failed.some((one) => one.needed)) return { state: "failed", text: "Not working" };
  if (!live.hub.ready) {
    const ready = roles.filter((one) => one.state === "ready").length;
    return { state: "waiting", text: `Loading ${ready} of ${roles.length}` };
  }
  const replaced = roles.filter((one) => one.standsIn);
  if (replaced.length)
    return {
      state: "waiting",
      text: "Ready, with a stand-in",
      more: replaced.map(instead).join(" "),
    };
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
    const roles = rolesOf(this.live);
    const rows = roles.flatMap((of) =>
      [of.chosen, of.standIn].filter(Boolean).map((engine) => ({ of, engine })),
    );
    reconcile(
      this.#list,
      rows,
      ({ engine }) => engineKey(engine),
      ({ engine }) => new EngineRow(engine.standby),
      this.#rows,
    );
    setText(this.#summary, summary(this.live, roles));
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

function summary(live, roles) {
  if (!live.connected) return "The hub can't be reached. This is how it stood last.";
  const devices = [...new Set(roles.map(({ chosen }) => chosen?.device).filter(Boolean))];
  if (!devices.length) return "";
  if (devices.length > 1) return "Each stage says where it runs.";
  const where = { cpu: "on the processor; no graphics card is used", cuda: "on the graphics card" };
  return `Everything runs ${where[devices[0]] ?? `on ${deviceName(devices[0])}`}.`;
}

class EngineRow {
  #role;
  #what = h("span.engine-what");
  #name = h("p.engine-name");
  #state = h("span.engine-state");
  #device = h("span.engine-device");
  #facts = h("span.engine-facts");
  #note = h("p.engine-note");
  #instead = h("p.engine-instead");
  #reason = h("p.engine-reason");
  #todo = h("p.engine-todo");

  constructor(standby) {
    this.#role = h(standby ? "h4.engine-role" : "h3.engine-role");
    this.el = h(
      standby ? "li.engine.stand-in" : "li.engine",
      {},
      h("span.lamp"),
      h("div.engine-head", {}, this.#role, this.#what),
      h("div.engine-where", {}, this.#state, this.#device),
      this.#name,
      this.#facts,
      this.#instead,
      this.#note,
      this.#reason,
      this.#todo,
    );
  }

  update({ of, engine }) {
    const [role, what] = ROLES[engine.role] ?? [engine.role, ""];
    this.el.dataset.state = engine.standby ? standInState(of) : ownState(of);
    setText(this.#role, engine.standby ? "Stand-in" : role);
    setText(this.#what, engine.standby ? `for the ${role.toLowerCase()}` : what);
    setText(this.#name, engine.name);
    setText(this.#state, stateWords(of, engine));
    setText(this.#device, deviceName(engine.device));
    setText(this.#facts, facts(engine).join(", "));
    tell(this.#instead, of.standsIn && !engine.standby ? instead(of) : "");
    tell(this.#note, engine.note && sentence(engine.note));
    tell(this.#reason, engine.reason && sentence(engine.reason));
    tell(this.#todo, engine.todo);
  }
}

/* How the lamp of a role's own engine shines: what another one does in its place is no failure. */
const ownState = ({ chosen, standsIn }) => (standsIn ? "replaced" : chosen.state);

const standInState = ({ standIn, standsIn }) =>
  standIn.state === "ready" && !standsIn ? "spare" : standIn.state;

function stateWords(of, engine) {
  const words = STATE_WORDS[engine.state];
  if (engine.state !== "ready") return engine.needed ? words : `${words}, can be done without`;
  if (engine.standby) return of.standsIn || engine.in_use ? "At work" : "Not needed now";
  return of.standsIn ? "Not used" : words;
}

function facts(engine) {
  const told = [];
  if (engine.speed)
    told.push(
      `${engine.speed.real_time_factor} s for each second of speech`,
      `first sound after ${duration(engine.speed.first_audio)}`,
    );
  if (engine.load_seconds > 0) told.push(`loaded in ${duration(engine.load_seconds)}`);
  if (engine.restarts) told.push(`replaced ${counted(engine.restarts, "time")}`);
  if (engine.in_use) told.push(`${engine.in_use} at work`);
  return told;
}

/* What the hub says of an engine begins anywhere; here it stands alone. */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function tell(element, text) {
  setText(element, text);
  element.hidden = !text;
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
