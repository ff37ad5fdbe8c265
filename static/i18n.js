/* Translations: the page speaks one language at a time, and every element changes with a switch of language.

   An element names its sentence: data-text for its text, data-label for its aria-label, data-alt for an image's alt.
   data-values holds what replaces the {braces}, as JSON: a number, plain text, {key} for another sentence, {share} for
   a probability, {words} that the graph has in one language or in several, {list} of such values, all of which count,
   or {either} of them. A switch of language is therefore one walk over the page. */

import { remembered } from "./storage.js";

const LANGUAGES = ["en", "es", "fr"];
const strings = {}; // by language, once it is loaded

/* The language to start with: the address's ?lang=, the remembered one, or the first known one of the browser. */
export const initialLanguage = [
  new URLSearchParams(location.search).get("lang"), remembered("language"), ...navigator.languages, "en",
].map((wish) => wish?.slice(0, 2).toLowerCase()).find((code) => LANGUAGES.includes(code));

let language = "en";
let wanted = "en"; // the last choice, which may still be loading

// English is always needed: the server's sentences are compared with it.
await Promise.all([...new Set(["en", initialLanguage])].map(load));

async function load(code) {
  strings[code] ??= await (await fetch(new URL(`strings/${code}.json`, import.meta.url))).json();
}

/* Loads the other languages, so that a switch needs no server. */
export const loadAll = () => Promise.allSettled(LANGUAGES.map(load));

/* Switches the language, at once if it is loaded. Throws when it cannot be loaded. */
export async function setLanguage(code) {
  wanted = code;
  if (!strings[code]) await load(code);
  if (wanted !== code) return; // another one was chosen meanwhile
  language = code;
  document.documentElement.lang = code;
  document.title = text("title");
  document.querySelectorAll("[data-card]").forEach((link) => (link.href = `?card&lang=${code}`));
  translate(document);
}

/* Returns a sentence in the current language; for an unknown key, `values.otherwise` unchanged. */
export function text(key, values = {}) {
  const sentence = strings[language][key] ?? values.otherwise ?? key;
  return sentence.replace(/\{(\w+)\}/g, (braces, name) => {
    if (!(name in values)) return braces;
    return format(name === "words" ? values : values[name]);
  });
}

function format(value) {
  if (value?.list) return new Intl.ListFormat(language).format(value.list.map(format));
  if (value?.either) return new Intl.ListFormat(language, { type: "disjunction" }).format(value.either.map(format));
  if (value?.key) return text(value.key, value);
  if (value?.words) return typeof value.words === "string" ? value.words : value.words[spokenIn(value.words)];
  if (value?.share !== undefined) return formatPercent(value.share);
  return typeof value === "number" ? formatNumber(value, Number.isInteger(value) ? 0 : 1) : value;
}

/* Returns the language that a graph's text is shown in: the page's, else English, else its only one. */
const spokenIn = (words) => [language, "en", ...Object.keys(words)].find((code) => words[code]);

const formatNumber = (value, digits, style) =>
  value.toLocaleString(language, { style, minimumFractionDigits: digits, maximumFractionDigits: digits });

/* No probability is rounded to certainty or to impossibility. */
function formatPercent(share) {
  if (share > 0.9995) return `> ${formatNumber(0.999, 1, "percent")}`;
  if (share < 0.0005) return `< ${formatNumber(0.001, 1, "percent")}`;
  return formatNumber(share, 1, "percent");
}

/* Sets an element's sentence for the current language and every later one. Without a key, the element is emptied. */
export function say(element, key, values = {}) {
  if (!key) {
    delete element.dataset.text;
    element.textContent = "";
    return;
  }
  element.dataset.text = key;
  element.dataset.values = JSON.stringify(values);
  translateElement(element);
}

/* Writes every sentence below `root` in the current language. */
export function translate(root) {
  root.querySelectorAll("[data-text], [data-label], [data-alt]").forEach(translateElement);
}

/* Writes an element's sentences in the current language. */
export function translateElement(element) {
  const { text: key, label, alt, values } = element.dataset;
  const replacements = values ? JSON.parse(values) : {};
  if (key) {
    element.textContent = text(key, replacements);
    // A sentence that only the server knows is English in every language of the page.
    const { words } = replacements;
    const spoken = typeof words === "object" ? spokenIn(words) : language;
    if (spoken !== language) element.lang = spoken;
    else if (Object.hasOwn(strings.en, key)) element.removeAttribute("lang");
    else element.lang = "en";
  }
  if (label) element.setAttribute("aria-label", text(label, replacements));
  if (alt) element.alt = text(alt, replacements);
}

/* Returns the one of `keys` whose English sentence is exactly the server's, so that it can be translated. */
export const keyOf = (sentence, ...keys) => keys.find((key) => strings.en[key] === sentence) ?? "verbatim";

/* Shows the server's disclaimer, translated when it is the one that we know. */
export function sayDisclaimer(element, sentence) {
  say(element, keyOf(sentence, "disclaimer"), { otherwise: sentence });
}
