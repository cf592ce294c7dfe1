/* Elements, made of text and never of markup: nothing that was said can become code. */

/**
 * Make an element.
 * @param {string} tag "button.quiet.small" makes a button with two classes.
 * @param {object} [options] `on`: listeners by event; `data`: data attributes; `style`: custom
 *   properties; `text`; what else is set as an attribute (true: empty, false or null: left out).
 * @param {...(Node|string|null)} children
 */
export function h(tag, options = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const made = document.createElement(name);
  if (classes.length) made.className = classes.join(" ");
  const { on = {}, data = {}, style = {}, text = null, ...attributes } = options;
  if (name === "button" && !attributes.type) made.type = "button";
  for (const [key, value] of Object.entries(attributes)) setAttribute(made, key, value);
  for (const [key, value] of Object.entries(data)) made.dataset[key] = value;
  for (const [key, value] of Object.entries(style)) made.style.setProperty(key, value);
  for (const [key, listener] of Object.entries(on)) made.addEventListener(key, listener);
  if (text !== null) made.textContent = text;
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function setAttribute(element, key, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(key);
  else element.setAttribute(key, value === true ? "" : String(value));
}

/** Set text only where it differs, so that nothing is laid out or read aloud anew for nothing. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Make `parent` hold one element for each of `items`, in order, and keep those that it has.
 * @param {Element} parent
 * @param {Iterable} items
 * @param {(item) => string} key
 * @param {(item) => {el: Element, update: (item) => void}} make
 * @param {Map<string, {el: Element, update: Function, dispose?: Function}>} made what it has, by key
 */
export function reconcile(parent, items, key, make, made) {
  const wanted = new Map([...items].map((item) => [key(item), item]));
  // First, so that nothing else has to move: what is moved loses the focus.
  for (const [name, part] of made) {
    if (wanted.has(name)) continue;
    part.dispose?.();
    part.el.remove();
    made.delete(name);
  }
  let place = parent.firstElementChild;
  for (const [name, item] of wanted) {
    let part = made.get(name);
    if (!part) made.set(name, (part = make(item)));
    part.update(item);
    if (part.el === place) place = place.nextElementSibling;
    else parent.insertBefore(part.el, place);
  }
}

/** Offer choices [[value, text], ...] in a select; what is chosen stays, and an open list open. */
export function offer(select, choices) {
  const had = [...select.options].map(({ value, text }) => [value, text]);
  if (JSON.stringify(had) === JSON.stringify(choices)) return;
  const chosen = select.value;
  select.replaceChildren(...choices.map(([value, text]) => h("option", { value, text })));
  if (choices.some(([value]) => value === chosen)) select.value = chosen;
}

const SVG = "http://www.w3.org/2000/svg";

/* 24 by 24, drawn with a stroke of 1.75 */
const ICONS = {
  microphone:
    "M12 3a3 3 0 0 0-3 3v6a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3ZM5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3M9 21h6",
  stop: "M7 7h10v10H7z",
  play: "M8 5.5v13l10.5-6.5z",
  pause: "M9 6v12M15 6v12",
  send: "M4 12h15M13 6l6 6-6 6",
  muted:
    "M4 4l16 16M9 9v3a3 3 0 0 0 4.6 2.5M15 11V6a3 3 0 0 0-5.8-1M5.5 11.5a6.5 6.5 0 0 0 10 5.5M18.5 11.5a6 6 0 0 1-.4 2.2M12 18v3M9 21h6",
  talk: "M4 5h16v11H10l-4.5 4v-4H4z",
  rooms: "M4 11l8-7 8 7M6 9.5V20h12V9.5M10 20v-6h4v6",
  turns: "M4 6h7M7 12h9M12 18h8",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M16 4.5v5M8 14.5v5",
  engines: "M8 8h8v8H8zM5 5h14v14H5zM9 2v3M15 2v3M9 19v3M15 19v3M2 9h3M2 15h3M19 9h3M19 15h3",
  light:
    "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4",
  dark: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z",
  timer: "M12 7a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM12 10.5V14l2.5 1.5M9.5 3h5",
  announce: "M4 10v4h3.5L14 18.5v-13L7.5 10zM17.5 9a4 4 0 0 1 0 6",
  close: "M6 6l12 12M18 6L6 18",
  chevron: "M9 5l7 7-7 7",
  hide: "M4 4l16 16M10 6.3A9 9 0 0 1 12 6c5 0 8.5 6 8.5 6a16 16 0 0 1-2.4 3M6.3 7.8A15 15 0 0 0 3.5 12S7 18 12 18a8 8 0 0 0 4-1.1",
  show: "M3.5 12S7 6 12 6s8.5 6 8.5 6-3.5 6-8.5 6-8.5-6-8.5-6ZM12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5Z",
  fresh: "M5 12a7 7 0 1 0 2.2-5.1M5 4v4h4",
};

/** Make an icon; it says nothing to a screen reader, so a label must stand beside it. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({
    viewBox: "0 0 24 24",
    class: "icon",
    "aria-hidden": "true",
    focusable: "false",
  }))
    svg.setAttribute(key, value);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Put another picture into an icon. */
export function setIcon(svg, name) {
  const path = svg.firstElementChild;
  if (path.getAttribute("d") !== ICONS[name]) path.setAttribute("d", ICONS[name]);
}
