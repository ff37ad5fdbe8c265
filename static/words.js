/* The page's words: one language at a time, any element in it, and all of them again when it changes.

   An element names its sentence: data-text for its text, data-label for its aria-label, data-alt for a picture's alt.
   data-values holds what goes into {braces}, as JSON: numbers, plain text, {key} for another sentence, {share} for a
   probability, {list} of such values. So a switch of language is one walk over the page, whatever it shows by then. */

const strings = await (await fetch(new URL("strings.json", import.meta.url))).json();
let language = "en";

export const currentLanguage = () => language;

/* The address's ?lang=, which the switch writes, goes before the browser's own wishes. */
export function preferredLanguage() {
  const wishes = [new URLSearchParams(location.search).get("lang"), ...(navigator.languages ?? [navigator.language])];
  const codes = wishes.map((wish) => wish?.slice(0, 2).toLowerCase());
  return codes.find((code) => Object.hasOwn(strings, code)) ?? "en";
}

export function setLanguage(code) {
  language = code;
  document.documentElement.lang = code;
  document.title = text("title");
  translate(document);
}

/* A sentence in the current language; for an unknown key `values.otherwise`, as it came. */
export function text(key, values = {}) {
  const sentence = strings[language][key] ?? values.otherwise ?? key;
  return sentence.replace(/\{(\w+)\}/g, (braces, name) => (name in values ? shown(values[name]) : braces));
}

function shown(value) {
  if (value?.list) return new Intl.ListFormat(language).format(value.list.map(shown));
  if (value?.key) return text(value.key, value);
  if (value?.share !== undefined) return percent(value.share);
  return typeof value === "number" ? decimal(value, Number.isInteger(value) ? 0 : 1) : value;
}

const decimal = (value, digits, style) =>
  value.toLocaleString(language, { style, minimumFractionDigits: digits, maximumFractionDigits: digits });

/* No probability is rounded up to certainty or down to impossibility. */
function percent(share) {
  if (share > 0.9995) return `> ${decimal(0.999, 1, "percent")}`;
  if (share < 0.0005) return `< ${decimal(0.001, 1, "percent")}`;
  return decimal(share, 1, "percent");
}

/* Let an element say a sentence now, and in every language after. Without a key it falls silent. */
export function say(element, key, values = {}) {
  if (!key) {
    delete element.dataset.text;
    element.textContent = "";
    return;
  }
  element.dataset.text = key;
  element.dataset.values = JSON.stringify(values);
  paint(element);
}

export function translate(root) {
  root.querySelectorAll("[data-text], [data-label], [data-alt]").forEach(paint);
}

function paint(element) {
  const { text: key, label, alt, values } = element.dataset;
  const filling = values ? JSON.parse(values) : {};
  if (key) {
    element.textContent = text(key, filling);
    // A sentence that only the server knew is English, whatever the page speaks.
    if (Object.hasOwn(strings.en, key)) element.removeAttribute("lang");
    else element.lang = "en";
  }
  if (label) element.setAttribute("aria-label", text(label, filling));
  if (alt) element.alt = text(alt, filling);
}

/* The key of a sentence that the server sent in English, where it is word for word one of ours. */
export const keyOf = (key, sentence) => (strings.en[key] === sentence ? key : "verbatim");

/* The disclaimer as the server words it, translated where the words are the ones we know. */
export function sayDisclaimer(element, sentence) {
  say(element, keyOf("disclaimer", sentence), { otherwise: sentence });
}
