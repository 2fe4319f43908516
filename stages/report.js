// The page's script: the switch of languages, and the explorer of the test articles. No library, no request.
"use strict";

const SAID = {
  en: { found: "articles", more: "show more", order: "order of the test split", none: "none", all: "all topics",
        any: "any length", text: "Article", reference: "Reference", absent: "not in this page, which holds every {k}th article; ",
        show: "python -m stages.show ", cut: "read only its beginning", spelled: "as {s} writes it", words: "words" },
  es: { found: "artículos", more: "mostrar más", order: "orden del conjunto de prueba", none: "ninguno", all: "todos los temas",
        any: "cualquier longitud", text: "Artículo", reference: "Referencia", absent: "no está en esta página, que tiene uno de cada {k}; ",
        show: "python -m stages.show ", cut: "leyó solo el principio", spelled: "como lo escribe {s}", words: "palabras" },
};
const LABELS = { rougeL: "ROUGE-L", rouge1: "ROUGE-1", rouge2: "ROUGE-2", chrf: "chrF", novel_bigrams: "novel bigrams %",
                 repeated_trigrams: "repeated trigrams %", lost_words: "lost words" };
const AT_ONCE = 50;
const WORD = /[\p{L}\p{N}]+/gu;

const page = document.documentElement;
const at = (id) => document.getElementById(id);
const said = (key) => SAID[page.lang][key];
const plain = (text) => text.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");

// An element with text and children; text is never read as HTML.
function element(name, text, attributes = {}, ...children) {
  const made = document.createElement(name);
  if (text !== null) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const data = JSON.parse(at("explorer-data").textContent);
const searched = data.articles.map((row) => plain(`${row.id} ${row.topic} ${row.reference}`));
const sorted = data.articles.map((row) => row.words).sort((a, b) => a - b);
const thirds = [1, 2].map((part) => sorted[Math.floor(part * sorted.length / 3)] ?? 0);
let found = [], shown = AT_ONCE, open = null;

function scoreOf(measure, system, place) { return data.scores[measure][system][place] / 10; }

// Fill the menus; what was chosen stays chosen when the language changes.
function menus() {
  const topics = [...new Set(data.articles.map((row) => row.topic).filter(Boolean))].sort();
  const choices = {
    topic: [["", said("all")], ...topics.map((topic) => [topic, topic])],
    length: [["", said("any")], ["0", `≤ ${thirds[0]} ${said("words")}`], ["1", `≤ ${thirds[1]} ${said("words")}`], ["2", `> ${thirds[1]} ${said("words")}`]],
    measure: data.measures.map((name, place) => [place, LABELS[name]]),
    system: [["", said("order")], ...data.systems.map((name, place) => [place, name])],
    minus: [["", said("none")], ...data.systems.map((name, place) => [place, name])],
  };
  for (const [id, options] of Object.entries(choices)) {
    const chosen = at(id).value;
    at(id).replaceChildren(...options.map(([value, text]) => element("option", text, { value })));
    at(id).value = options.some(([value]) => String(value) === chosen) ? chosen : options[0][0];
  }
}

function key(place) {
  const [measure, system, minus] = ["measure", "system", "minus"].map((id) => at(id).value);
  if (system === "") return place;
  return scoreOf(measure, system, place) - (minus === "" ? 0 : scoreOf(measure, minus, place));
}

// Find and sort; the list shows the first of them.
function find() {
  const query = plain(at("search").value.trim()), topic = at("topic").value, length = at("length").value;
  const third = (count) => (count <= thirds[0] ? "0" : count <= thirds[1] ? "1" : "2");
  found = [];
  data.articles.forEach((row, place) => {
    if ((!topic || row.topic === topic) && (!length || third(row.words) === length) && searched[place].includes(query)) found.push(place);
  });
  const keys = new Map(found.map((place) => [place, key(place)]));
  const sign = at("descending").checked ? -1 : 1;
  found.sort((a, b) => sign * (keys.get(a) - keys.get(b)) || a - b);
  shown = AT_ONCE;
  list(keys);
}

function list(keys) {
  const chosen = at("system").value !== "";
  at("count").textContent = `${found.length} ${said("found")}`;
  at("list").replaceChildren(...found.slice(0, shown).map((place) => {
    const row = data.articles[place], number = chosen ? keys.get(place).toFixed(1) + " · " : "";
    const button = element("button", `${number}${row.id} · ${row.reference}`, { type: "button", "data-place": place });
    button.setAttribute("aria-pressed", place === open);
    button.addEventListener("click", () => choose(place));
    return element("li", null, {}, button);
  }));
  at("more").hidden = found.length <= shown;
  at("more").onclick = () => { shown += AT_ONCE; list(keys); };
}

// A text in which the words outside `known` are marked.
function marked(text, known) {
  const made = element("span", null);
  let last = 0;
  for (const match of text.matchAll(WORD)) {
    if (known.has(match[0].toLowerCase())) continue;
    made.append(text.slice(last, match.index), element("mark", match[0]));
    last = match.index + match[0].length;
  }
  made.append(text.slice(last));
  return made;
}

// The reference, with the letters marked that a vocabulary drops on writing it.
function dropped(reference, spelled) {
  const made = element("span", null);
  let place = 0;
  for (const sign of reference) {
    if (spelled.startsWith(sign, place)) { made.append(sign); place += sign.length; }
    else made.append(element("mark", sign, { class: "lost" }));
  }
  return made;
}

function choose(place) {
  open = place;
  const row = data.articles[place], texts = data.texts[place], parts = [];
  parts.push(element("h3", `${row.id}${row.topic ? " · " + row.topic : ""} · ${row.words} ${said("words")}`));
  if (texts) parts.push(element("details", null, { open: "" }, element("summary", said("text")), element("p", texts.text, { class: "text", dir: "auto" })));
  else parts.push(element("p", said("absent").replace("{k}", data.every), { class: "note" }, element("code", said("show") + row.id)));
  const body = element("tbody", null), known = new Set((texts?.text ?? "").toLowerCase().match(WORD) ?? []);
  const line = (name, content, scores) => body.append(element("tr", null, {},
    element("th", name, { scope: "row" }), element("td", null, { dir: "auto" }, content), element("td", scores, { class: "n" })));
  line(said("reference"), texts ? marked(row.reference, known) : row.reference, "");
  for (const [system, spelled] of Object.entries(texts?.spelled ?? {})) {
    if (spelled !== row.reference) line(said("spelled").replace("{s}", system), dropped(row.reference, spelled), "");
  }
  data.systems.forEach((system, number) => {
    const content = texts ? marked(texts.predictions[number], known) : "…";
    if (texts?.read[number]) content.append(element("small", ` (${said("cut")})`));
    line(system, content, scoreOf(at("measure").value, number, place).toFixed(1));
  });
  const label = LABELS[data.measures[at("measure").value]];
  const head = element("thead", null, {}, element("tr", null, {}, element("td", ""), element("td", ""), element("th", label, { scope: "col", class: "n" })));
  parts.push(element("div", null, { class: "wide" }, element("table", null, {}, head, body)));
  at("article").replaceChildren(...parts);
  for (const button of at("list").querySelectorAll("button")) button.setAttribute("aria-pressed", Number(button.dataset.place) === place);
}

function speak(language) {
  page.lang = language;
  for (const button of document.querySelectorAll("[data-speak]")) button.setAttribute("aria-pressed", button.dataset.speak === language);
  at("search").placeholder = at("search").dataset[language];
  menus();
  find();
  if (open !== null) choose(open);
}

for (const id of ["search", "topic", "length", "measure", "system", "minus", "descending"]) at(id).addEventListener("input", () => { find(); if (open !== null) choose(open); });
for (const button of document.querySelectorAll("[data-speak]")) button.addEventListener("click", () => speak(button.dataset.speak));
speak("en");
if (data.articles.length) choose(0);
