"""What is looked for in a page by JavaScript: things without a name, too faint, or too wide."""

LAYOUT_SHIFTS = """() => {
  window.shifts = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
  }).observe({ type: "layout-shift" });
}"""
"""Adds up how much of the page moved without being asked to (Cumulative Layout Shift)."""

OVERFLOW = """() => {
  const wide = [];
  for (const one of document.querySelectorAll("body *")) {
    const { left, right, width } = one.getBoundingClientRect();
    const style = getComputedStyle(one);
    const hidden = style.position === "fixed" || style.clipPath !== "none" || !width;
    if (hidden || one.closest(".scroll, .unseen, .step-name, .turns-table thead")) continue;
    if (right > innerWidth + 1 || left < -1) wide.push(`${one.tagName}.${one.className} ${right}`);
  }
  if (document.documentElement.scrollWidth > innerWidth) wide.push("the page itself");
  return wide;
}"""
"""Elements that reach beyond the window's sides."""

NAMELESS = """() => {
  const bad = [];
  const ids = new Set();
  for (const one of document.querySelectorAll("[id]")) {
    if (ids.has(one.id)) bad.push(`twice: #${one.id}`);
    ids.add(one.id);
  }
  const text = (ref) => ref.split(" ").map((id) => document.getElementById(id)?.textContent ?? "");
  for (const one of document.querySelectorAll(
    "button, a[href], input, select, textarea, [role=region], section, aside, nav, fieldset, table"
  )) {
    if (one.closest("[hidden]")) continue;
    const named =
      one.getAttribute("aria-label") ||
      text(one.getAttribute("aria-labelledby") ?? "").join("") ||
      [...(one.labels ?? [])].map((label) => label.textContent).join("") ||
      (one.matches("fieldset") && one.querySelector("legend")?.textContent) ||
      (one.matches("table") && one.querySelector("caption")?.textContent) ||
      (one.matches("button, a") && one.textContent.trim());
    if (!named) bad.push(`no name: ${one.tagName}.${one.className}`);
  }
  for (const one of document.querySelectorAll("[aria-labelledby], [aria-describedby]"))
    for (const key of ["aria-labelledby", "aria-describedby"])
      for (const id of (one.getAttribute(key) ?? "").split(" ").filter(Boolean))
        if (!document.getElementById(id)) bad.push(`${key} ${id} is not there`);
  return bad;
}"""
"""Controls and landmarks that a screen reader could not name; ids that are there twice."""

FAINT = """() => {
  const EXEMPT = ":disabled, .unseen, script, noscript, option, [data-available=no], .past";
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => {
      c /= 255;
      return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0.95) return colour;
    }
    return [255, 255, 255, 1];
  };
  const bad = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !one.checkVisibility()) continue;
    if (one.closest(EXEMPT)) continue;
    const style = getComputedStyle(one);
    const both = [luminance(rgba(style.color)), luminance(ground(one))];
    const [light, dark] = both.sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const large = parseFloat(style.fontSize) >= 24;
    if (ratio < (large ? 3 : 4.5)) bad.add(`${one.tagName}.${one.className} ${ratio.toFixed(2)}`);
  }
  return [...bad];
}"""
"""Text whose contrast with what is behind it is below what WCAG 2 asks for (AA)."""
