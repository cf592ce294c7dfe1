/* Runs before anything is drawn, so that a dark room stays dark. */
try {
  const chosen = localStorage.getItem("parlour.theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // private windows may forbid it
}
