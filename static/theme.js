/* Applies the remembered colors before the first paint. A classic script in the head, so that nothing flashes. */
try {
  const theme = localStorage.getItem("tosa.theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // Storage is blocked: the system's colors apply.
}
