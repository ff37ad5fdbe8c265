/* The choices that the browser remembers in localStorage: language, colors, and whether to show the introduction. */

import { initialLanguage, say, setLanguage, translateElement } from "./i18n.js";
import { tellProblem } from "./page_state.js";
import { remember, remembered } from "./storage.js";

const THEMES = ["system", "light", "dark"];

const $ = (id) => document.getElementById(id);

function applyLanguage(code) {
  setLanguage(code).catch(() => tellProblem("request", "error.network"));
  for (const button of $("languages").children) button.ariaPressed = button.lang === code;
}

function chooseLanguage(event) {
  const code = event.target.closest("[lang]")?.lang;
  if (!code) return;
  applyLanguage(code);
  remember("language", code);
  const address = new URL(location); // a ?lang= in it would win over the choice at the next visit
  if (!address.searchParams.has("lang")) return;
  address.searchParams.set("lang", code);
  history.replaceState(null, "", address);
}

const currentTheme = () => document.documentElement.dataset.theme ?? THEMES[0];

function nextTheme() {
  const next = THEMES[(THEMES.indexOf(currentTheme()) + 1) % THEMES.length];
  document.documentElement.dataset.theme = next;
  remember("theme", next);
  labelTheme();
}

function labelTheme() {
  $("theme").dataset.label = `theme.${THEMES.includes(currentTheme()) ? currentTheme() : THEMES[0]}`;
  translateElement($("theme"));
}

function showIntroduction(shown) {
  document.body.classList.toggle("introduced", !shown);
  $("introduction").ariaExpanded = shown;
  say($("introduction"), shown ? "introduction.hide" : "introduction.show");
}

/* Applies what is remembered and listens to the controls. */
export function applyPreferences() {
  applyLanguage(initialLanguage);
  labelTheme();
  showIntroduction(remembered("introduction") !== "hidden");
  $("languages").addEventListener("click", chooseLanguage);
  $("theme").addEventListener("click", nextTheme);
  $("introduction").addEventListener("click", () => {
    const shown = document.body.classList.contains("introduced");
    showIntroduction(shown);
    remember("introduction", shown ? "shown" : "hidden");
  });
}
