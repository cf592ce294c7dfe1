/* Settings that take effect at once, beside what the hub's file says; kept only when asked. */

import { get, patch, post } from "../api.js";
import { h, reconcile, setText } from "../dom.js";
import { counted } from "../format.js";
import { attempt, notice } from "../notices.js";

const NAMES = {
  "llm.persona": "Persona",
  "llm.max_reply_tokens": "Length of an answer",
  "llm.temperature": "Temperature",
  "tts.voice": "Voice",
  "tts.description": "Voice description",
  language: "Language",
  name: "Name",
  "turn.patience": "Patience",
  "wake.words": "Wake words of the hub",
};
const LONG = 200; // letters above which a text gets several lines

export class SettingsView {
  #rows = new Map();
  #list = h("div.settings");
  #none = h("p.nothing", { text: "Connecting …" });
  #save = h("button.solid", { text: "Keep the changes" });
  #unsaved = h("p.unsaved", { role: "status" });
  #leave = h(
    "section",
    { hidden: true, "aria-label": "This browser" },
    h(
      "form.leave",
      { method: "post", action: "/logout" },
      h("p", { text: "This browser is logged in." }),
      h("button.quiet", { type: "submit", text: "Log out" }),
    ),
  );

  constructor({ live, signal }) {
    this.live = live;
    this.#save.addEventListener("click", () => void this.#keep());
    this.el = h(
      "div.setup-view",
      {},
      h(
        "section",
        { "aria-labelledby": "settings-title" },
        h("h1", { id: "settings-title", text: "Settings" }),
        h("p.lead", {
          text: "A change holds from the next answer on, and until the hub restarts, unless you keep it. hub.toml is never written to.",
        }),
        this.#list,
        this.#none,
        h("div.save-bar", {}, this.#unsaved, this.#save),
      ),
      this.#leave,
    );
    void this.#offerToLeave(signal);
  }

  /* Where the hub asks who one is, one can go, too. */
  async #offerToLeave(signal) {
    try {
      const { login } = await get("/api/session");
      if (!signal.aborted) this.#leave.hidden = !login;
    } catch {
      // nothing to log out of
    }
  }

  show() {
    this.update({ all: true });
  }

  update(change) {
    if (!(change.all || change.settings)) return;
    const settings = [...this.live.settings.values()];
    reconcile(
      this.#list,
      settings,
      (setting) => setting.key,
      (setting) => new SettingRow(setting),
      this.#rows,
    );
    this.#none.hidden = settings.length > 0;
    const count = this.#changed().length;
    this.#save.disabled = !count;
    const words = `${counted(count, "change")} will be forgotten when the hub restarts.`;
    setText(this.#unsaved, count ? words : "Everything holds after a restart, too.");
  }

  #changed() {
    return [...this.live.settings.values()].filter(
      (one) => !same(one.value, one.saved ?? one.file),
    );
  }

  async #keep() {
    const keys = this.#changed().map((setting) => setting.key);
    await attempt(
      () => post("/api/settings/save", { keys }),
      "Kept: it holds after a restart, too.",
    );
  }
}

class SettingRow {
  #setting;
  #input;
  #read; // what the input holds
  #write; // puts a value into it
  #file = h("p.setting-file");
  #back = h("button.quiet", { text: "Back to that" });
  #problem = h("p.field-problem", { role: "alert" });
  #mark = h("span.setting-mark");

  constructor(setting) {
    this.#setting = setting;
    const id = `setting-${setting.key.replaceAll(".", "-")}`;
    const name = NAMES[setting.key] ?? setting.key;
    const hint = h("p.setting-hint", { id: `${id}-hint`, text: setting.hint });
    if (setting.example)
      hint.append(h("span.setting-example", { text: `For example: “${setting.example}”` }));
    const body = this.#makeInput(setting, id, name);
    this.#back.addEventListener("click", () => void this.#send(null));
    this.el = h(
      "div.setting",
      {},
      h(
        "div.setting-head",
        {},
        h("label.setting-name", { for: id, id: `${id}-name`, text: name }),
        h("code", { text: setting.key }),
        this.#mark,
      ),
      body,
      hint,
      h("div.setting-beside", {}, this.#file, this.#back),
      this.#problem,
    );
  }

  update(setting) {
    // What was refused stays, beside the reason, until the setting itself changes.
    const refused = this.#problem.textContent && same(setting.value, this.#setting.value);
    this.#setting = setting;
    const editing =
      this.el.contains(document.activeElement) && document.activeElement !== this.#back;
    const text = this.#input.matches?.("input[type=text], textarea, input[type=number]");
    if (!refused) {
      setText(this.#problem, "");
      if (!(editing && text)) this.#write(setting.value);
    }
    for (const one of this.#input.matches?.("fieldset") ? this.#input.elements : [this.#input])
      one.disabled = !setting.available;
    this.el.dataset.available = setting.available ? "yes" : "no";
    const changed = !same(setting.value, setting.file);
    const kept = setting.saved !== null && same(setting.value, setting.saved);
    setText(this.#file, changed ? `hub.toml says: ${told(setting.file)}` : "As in hub.toml.");
    this.#back.hidden = !changed;
    const mark = !changed ? "" : kept ? "changed, kept" : "changed";
    const none = setting.choices.length ? "no choice with these engines" : "not with this voice";
    setText(this.#mark, setting.available ? mark : none);
  }

  #makeInput(setting, id, name) {
    const described = `${id}-hint`;
    const send = () => void this.#send(this.#read());
    if (Array.isArray(setting.value)) return this.#makeList(setting, id, name, described);
    if (setting.choices.length) {
      const input = h("select", { id, "aria-describedby": described, on: { change: send } });
      input.append(
        ...setting.choices.map((choice) => h("option", { value: choice, text: choice })),
      );
      this.#input = input;
      this.#read = () => input.value;
      this.#write = (value) => {
        if (![...input.options].some((option) => option.value === value))
          input.append(h("option", { value, text: value || "(none)" }));
        input.value = value;
      };
      return input;
    }
    const number = typeof setting.value === "number";
    const long = !number && (setting.most ?? 0) > LONG;
    const input = long
      ? h("textarea", { rows: "3" })
      : h("input", { type: number ? "number" : "text" });
    input.id = id;
    input.setAttribute("aria-describedby", described);
    if (number) {
      input.step = "any";
      if (setting.least !== null) input.min = String(setting.least);
      if (setting.most !== null) input.max = String(setting.most);
    } else if (setting.most !== null) input.maxLength = setting.most;
    input.addEventListener("change", send);
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (!long || event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        input.blur();
      }
    });
    this.#input = input;
    this.#read = () => (number ? input.valueAsNumber : input.value.trim());
    this.#write = (value) => (input.value = String(value));
    return input;
  }

  #makeList(setting, id, name, described) {
    if (!setting.choices.length) {
      const input = h("input", { type: "text", id, "aria-describedby": described });
      input.addEventListener("change", () => void this.#send(this.#read()));
      this.#input = input;
      this.#read = () =>
        input.value
          .split(",")
          .map((part) => part.trim())
          .filter(Boolean);
      this.#write = (value) => (input.value = value.join(", "));
      return input;
    }
    const boxes = [...new Set(setting.choices)].map((choice, at) => {
      const input = h("input", { type: "checkbox", value: choice, id: at ? null : id });
      input.addEventListener("change", () => void this.#send(this.#read()));
      return h("label.check", {}, input, h("span", { text: choice.replaceAll("_", " ") }));
    });
    const group = h(
      "fieldset.checks",
      { "aria-labelledby": `${id}-name`, "aria-describedby": described },
      ...boxes,
    );
    const inputs = boxes.map((box) => box.firstElementChild);
    this.#input = group;
    this.#read = () => inputs.filter((input) => input.checked).map((input) => input.value);
    this.#write = (value) =>
      inputs.forEach((input) => (input.checked = value.includes(input.value)));
    return group;
  }

  async #send(value) {
    setText(this.#problem, "");
    const { key } = this.#setting;
    if (same(value, this.#setting.value)) return;
    if (typeof value === "number" && !Number.isFinite(value)) {
      this.#write(this.#setting.value);
      return setText(this.#problem, "That is no number.");
    }
    const { least, most } = this.#setting;
    if (typeof value === "number" && (value < (least ?? -Infinity) || value > (most ?? Infinity)))
      return setText(this.#problem, range(least, most));
    try {
      await patch("/api/settings", { values: { [key]: value } });
      notice("It holds from the next answer on.");
    } catch (problem) {
      setText(this.#problem, problem.message);
    }
  }
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function range(least, most) {
  if (most === null) return `${least} at least.`;
  return least === null ? `${most} at most.` : `From ${least} to ${most}.`;
}

function told(value) {
  if (Array.isArray(value)) return value.length ? value.join(", ") : "nothing";
  return value === "" ? "nothing" : String(value);
}
