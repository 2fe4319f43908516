// The page's script: the switch of languages, and the explorer of the test articles. No library, no request.
"use strict";

const SAID = {
  en: { found: ["article", "articles"], more: "show more", order: "order of the test split", none: "none", all: "all topics",
        any: "any length", text: "Article", reference: "Reference", absent: "not in this page, which holds every {k}th article; ",
        show: "resumen show ", cut: "read only its beginning", spelled: "as {s} writes it", words: "words",
        miniature: "miniature", foreign: "foreign" },
  es: { found: ["artículo", "artículos"], more: "mostrar más", order: "orden del conjunto de prueba", none: "ninguno", all: "todos los temas",
        any: "cualquier longitud", text: "Artículo", reference: "Referencia", absent: "no está en esta página, que tiene uno de cada {k}; ",
        show: "resumen show ", cut: "leyó solo el principio", spelled: "como lo escribe {s}", words: "palabras",
        miniature: "miniatura", foreign: "ajeno" },
};
const AT_ONCE = 50;
const WORD = /[\p{L}\p{N}][\p{L}\p{N}\p{M}\u200c\u200d]*/gu; // as resumen/text/words.py has them
const LETTER = /.\p{M}*/gsu; // with the accents that stand after it

const page = document.documentElement;
const at = (id) => document.getElementById(id);
const said = (key) => SAID[page.lang][key];
const label = (labels) => labels[page.lang === "es" ? 1 : 0];
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

// A system's name, with what it is if it is no published model.
function named(system) { return Object.hasOwn(data.marks, system) ? `${system} (${said(data.marks[system])})` : system; }

function scoreOf(measure, system, place) { return data.scores[measure][system][place] / 10; }

// Fill the menus; what was chosen stays chosen when the language changes.
function menus() {
  const topics = [...new Set(data.articles.map((row) => row.topic).filter(Boolean))].sort();
  const choices = {
    topic: [["", said("all")], ...topics.map((topic) => [topic, topic])],
    length: [["", said("any")], ["0", `≤ ${thirds[0]} ${said("words")}`], ["1", `≤ ${thirds[1]} ${said("words")}`], ["2", `> ${thirds[1]} ${said("words")}`]],
    measure: data.measures.map((labels, place) => [place, label(labels)]),
    system: [["", said("order")], ...data.systems.map((name, place) => [place, named(name)])],
    minus: [["", said("none")], ...data.systems.map((name, place) => [place, named(name)])],
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

// Find and sort; the list shows the first of them. An article that is no longer found gives way to the first.
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
  if (!found.includes(open)) choose(found[0] ?? null);
}

function list(keys) {
  const chosen = at("system").value !== "";
  at("count").textContent = `${found.length} ${said("found")[found.length === 1 ? 0 : 1]}`;
  at("list").replaceChildren(...found.slice(0, shown).map((place) => {
    const row = data.articles[place], number = chosen ? keys.get(place).toFixed(1) + " · " : "";
    const button = element("button", `${number}${row.id} · ${row.reference}`, { type: "button", "data-place": place, lang: data.language });
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

// The reference, with the letters marked that a vocabulary loses; it reads them after NFKC.
function dropped(reference, lost) {
  const made = element("span", null);
  for (const [sign] of reference.matchAll(LETTER)) {
    made.append([...sign.normalize("NFKC")].some((letter) => lost.includes(letter)) ? element("mark", sign, { class: "lost" }) : sign);
  }
  made.normalize();
  return made;
}

function choose(place) {
  open = place;
  const row = data.articles[place], texts = data.texts[place], parts = [];
  for (const button of at("list").querySelectorAll("button")) button.setAttribute("aria-pressed", Number(button.dataset.place) === place);
  if (!row) { at("article").replaceChildren(); return; }
  parts.push(element("h3", `${row.id}${row.topic ? " · " + row.topic : ""} · ${row.words} ${said("words")}`));
  if (texts) parts.push(element("details", null, { open: "" }, element("summary", said("text")), element("p", texts.text, { class: "text", dir: "auto", lang: data.language })));
  else parts.push(element("p", said("absent").replace("{k}", data.every), { class: "note" }, element("code", said("show") + row.id)));
  const body = element("tbody", null), known = new Set((texts?.text ?? "").toLowerCase().match(WORD) ?? []);
  const measure = label(data.measures[at("measure").value]);
  const line = (name, content, score, note = "") => body.append(element("tr", null, {},
    element("th", name, { scope: "row" }), element("td", null, { dir: "auto" }, element("span", null, { lang: data.language }, content), note),
    element("td", score, { class: "n", "data-label": measure })));
  for (const reference of [row.reference, ...(row.others ?? [])])
    line(said("reference"), texts ? marked(reference, known) : reference, "");
  for (const [system, lost] of Object.entries(data.lost)) {
    const content = dropped(row.reference, lost);
    if (content.querySelector("mark")) line(said("spelled").replace("{s}", named(system)), content, "");
  }
  data.systems.forEach((system, number) => {
    line(named(system), texts ? marked(texts.predictions[number], known) : "…", scoreOf(at("measure").value, number, place).toFixed(1),
      texts?.read[number] ? element("small", ` (${said("cut")})`) : "");
  });
  const head = element("thead", null, {}, element("tr", null, {}, element("td", ""), element("td", ""), element("th", measure, { scope: "col", class: "n r" })));
  parts.push(element("div", null, { class: "wide" }, element("table", null, {}, head, body)));
  at("article").replaceChildren(...parts);
}

function speak(language) {
  page.lang = language;
  document.title = document.querySelector("title").dataset[language];
  for (const button of document.querySelectorAll("[data-speak]")) button.setAttribute("aria-pressed", button.dataset.speak === language);
  at("search").placeholder = at("search").dataset[language];
  menus();
  find();
  choose(open);
}

for (const id of ["search", "topic", "length", "measure", "system", "minus", "descending"]) at(id).addEventListener("input", find);
at("measure").addEventListener("input", () => choose(open));
for (const link of document.querySelectorAll("a[data-place]")) link.addEventListener("click", () => choose(Number(link.dataset.place)));
for (const button of document.querySelectorAll("[data-speak]")) button.addEventListener("click", () => speak(button.dataset.speak));
speak("en");
