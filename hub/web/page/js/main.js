/* Starts the page: one connection, one voice, and the part of the page that is looked at. */

import { Talk } from "../talk/talk.js";
import { h, icon, setIcon, setText } from "./dom.js";
import { Live } from "./live.js";
import { readAloud } from "./notices.js";
import { stopReplay } from "./replay.js";
import { replyOf } from "./stages.js";
import { isDark, startTheme, toggleTheme } from "./theme.js";
import { EnginesView, readiness } from "./views/engines.js";
import { RoomsView } from "./views/rooms.js";
import { SettingsView } from "./views/settings.js";
import { TalkView } from "./views/talk.js";
import { TurnsView } from "./views/turns.js";

const VIEWS = {
  talk: ["Talk", TalkView],
  rooms: ["Rooms", RoomsView],
  turns: ["Turns", TurnsView],
  settings: ["Settings", SettingsView],
  engines: ["Engines", EnginesView],
};
const BY_NAME = (id) => document.getElementById(id);

const live = new Live();
const talk = new Talk();
const main = BY_NAME("main");
const tabs = new Map();
let view = null;
let viewName = "";
let leaving = null; // ends what the view listens to

function navigate() {
  const [name = "", ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const known = Object.hasOwn(VIEWS, name) ? name : "talk";
  const argument = decode(rest.join("/"));
  if (known !== viewName) {
    leaving?.abort();
    stopReplay();
    view?.dispose?.();
    leaving = new AbortController();
    const [title, View] = VIEWS[known];
    const first = !viewName;
    viewName = known;
    view = new View({ live, talk, signal: leaving.signal });
    main.replaceChildren(view.el);
    main.scrollTop = 0;
    document.title = known === "talk" ? "Parlour" : `${title} · Parlour`;
    for (const [tab, link] of tabs)
      if (tab === known) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    if (!first) main.focus({ preventScroll: true });
  }
  view.show(argument);
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

function showReadiness() {
  const { state, text, more = "" } = readiness(live);
  BY_NAME("readiness").dataset.state = state;
  BY_NAME("readiness").title = more;
  setText(BY_NAME("readiness-text"), text);
  if (live.hub) setText(BY_NAME("wordmark"), live.hub.name);
}

/* What is said and answered in this tab's room is read by screen readers: once, when it is certain. */
const read = new Map(); // id of a turn -> what was read of it: "said", "ended"

function readTurns(ids) {
  for (const id of ids) {
    const turn = live.turns.get(id);
    if (!turn || turn.room !== talk.room) continue;
    if (turn.said && !read.has(id)) {
      read.set(id, "said");
      readAloud(`You: ${turn.said}`);
    }
    if (turn.state === "ended" && read.get(id) !== "ended") {
      read.set(id, "ended");
      readAloud(replyOf(turn) || turn.problem || "No answer.");
    }
  }
  for (const id of read.keys()) if (!live.turns.has(id)) read.delete(id);
}

function startTheming() {
  const button = BY_NAME("theme");
  const picture = icon("dark");
  button.append(picture);
  const show = () => {
    setIcon(picture, isDark() ? "light" : "dark");
    button.setAttribute("aria-label", isDark() ? "Switch to light" : "Switch to dark");
    button.title = button.getAttribute("aria-label");
  };
  button.addEventListener("click", () => {
    toggleTheme();
    show();
  });
  startTheme(show);
  show();
}

for (const [name, [title]] of Object.entries(VIEWS)) {
  const link = h("a.tab", { href: `#/${name}` }, icon(name), h("span", { text: title }));
  tabs.set(name, link);
  BY_NAME("tabs").append(link);
}
BY_NAME("skip").addEventListener("click", () => main.focus());
startTheming();

live.addEventListener("change", ({ detail }) => {
  if (detail.all || detail.hub || detail.engines || detail.connection) showReadiness();
  if (detail.all) talk.hurry();
  else readTurns(detail.turns);
  view?.update(detail);
});
talk.addEventListener("change", () => view?.talkChanged?.());
addEventListener("hashchange", navigate);

navigate();
live.start();
talk.connect();
