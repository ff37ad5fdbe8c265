/* Values that the browser remembers in localStorage, which some browsers and settings block. */

const PREFIX = "tosa."; // other programs may run on the same host

/* Returns a remembered value, or null; also null when storage is blocked. */
export function remembered(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/* Remembers a value. When storage is blocked, it lasts as long as the page. */
export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // Storage is blocked.
  }
}
