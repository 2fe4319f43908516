// The explorer of the test articles.
const SAID = {
  en: { found: ["article", "articles"], order: "order of the test split", none: "none", all: "all topics",
        any: "any length", text: "Article", reference: "Reference", absent: "not in this page, which holds every {k}th article; ",
        show: "resumen show ", cut: "read only its beginning", spelled: "as {s} writes it", words: "words",
        miniature: "miniature", foreign: "foreign", whole: "without the letters that it loses: ", unknown: "no article {id}" },
  es: { found: ["artículo", "artículos"], order: "orden de la partición de prueba", none: "ninguno", all: "todos los temas",
        any: "cualquier longitud", text: "Artículo", reference: "Referencia", absent: "no está en esta página, que solo contiene uno de cada {k}; ",
        show: "resumen show ", cut: "leyó solo el principio", spelled: "como la escribe {s}", words: "palabras",
        miniature: "miniatura", foreign: "ajeno", whole: "ha perdido letras; era: ", unknown: "no hay ningún artículo {id}" },
};
const CHUNK = 50; // articles of the list
const WORD = /[\p{L}\p{N}][\p{L}\p{N}\p{M}\u200c\u200d]*/gu; // as resumen/text/words.py has them
const LETTER = /.\p{M}*/gsu; // with the accents that stand after it
const CONTROLS = ["search", "topic", "length", "measure", "sort", "minus"]; // and "descending"

const said = (key) => SAID[page.lang][key];
const label = (measure) => measure[page.lang];
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
let found = [], keys = new Map(), shown = CHUNK, open = null;

// A system's name, with what it is if it is no published model.
function named(system) { return Object.hasOwn(data.marks, system) ? `${system} (${said(data.marks[system])})` : system; }

function topicOf(topic) { return Object.hasOwn(data.topics, topic) ? data.topics[topic] : topic; }

// The score of an article: two digits of base64, in tenths, as resumen/page/explorer.py writes them.
const DIGITS = new Uint8Array(128);
[..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"].forEach((digit, value) => { DIGITS[digit.charCodeAt(0)] = value; });
function scoreOf(measure, system, place) {
  const written = data.scores[measure][system];
  return (64 * DIGITS[written.charCodeAt(2 * place)] + DIGITS[written.charCodeAt(2 * place + 1)]) / 10;
}

const numberOf = (id) => (id === "measure" ? data.measures.findIndex((one) => one.key === at(id).value) : data.systems.indexOf(at(id).value));

// Fill the menus; what was chosen stays chosen when the language changes.
function menus() {
  const topics = [...new Set(data.articles.map((row) => row.topic).filter(Boolean))].sort();
  const systems = data.systems.map((name) => [name, named(name)]), [first, second] = thirds.map(grouped);
  const choices = {
    topic: [["", said("all")], ...topics.map((topic) => [topic, topicOf(topic)])],
    length: [["", said("any")], ["0", `≤ ${first} ${said("words")}`], ["1", `≤ ${second} ${said("words")}`], ["2", `> ${second} ${said("words")}`]],
    measure: data.measures.map((measure) => [measure.key, label(measure)]),
    sort: [["", said("order")], ...systems],
    minus: [["", said("none")], ...systems],
  };
  for (const [id, options] of Object.entries(choices)) {
    const before = at(id).value;
    at(id).replaceChildren(...options.map(([value, text]) => element("option", text, { value })));
    select(id, before);
  }
}

function select(id, value) {
  if (id === "search" || [...at(id).options].some((option) => option.value === value)) at(id).value = value;
  else at(id).selectedIndex = 0;
}

// Find and sort; the list shows the first of them. An article that is no longer found gives way to the first.
function find() {
  const query = plain(at("search").value.trim()), topic = at("topic").value, length = at("length").value;
  const [measure, system, minus] = ["measure", "sort", "minus"].map(numberOf);
  const third = (count) => (count <= thirds[0] ? "0" : count <= thirds[1] ? "1" : "2");
  const key = (place) => (system < 0 ? place : scoreOf(measure, system, place) - (minus < 0 ? 0 : scoreOf(measure, minus, place)));
  found = [];
  data.articles.forEach((row, place) => {
    if ((!topic || row.topic === topic) && (!length || third(row.words) === length) && searched[place].includes(query)) found.push(place);
  });
  keys = new Map(found.map((place) => [place, key(place)]));
  const sign = at("descending").checked ? -1 : 1;
  found.sort((a, b) => sign * (keys.get(a) - keys.get(b)) || a - b);
  shown = CHUNK;
  list();
  if (!found.includes(open)) choose(found[0] ?? null);
  focusable();
}

function list() {
  const isSorted = at("sort").value !== "";
  at("count").textContent = `${grouped(found.length)} ${said("found")[found.length === 1 ? 0 : 1]}`;
  at("list").replaceChildren(...found.slice(0, shown).map((place) => {
    const row = data.articles[place], number = isSorted ? `${decimal(keys.get(place))} · ` : "";
    const option = element("li", `${number}${row.id} · ${row.reference}`, { role: "option", "data-place": place, lang: data.language });
    option.setAttribute("aria-selected", place === open);
    return option;
  }));
  at("more").hidden = found.length <= shown;
}

// Show more of the list, so many at least.
function showing(count) {
  shown = Math.max(shown, CHUNK * Math.ceil(count / CHUNK));
  list();
  focusable();
}

at("more").addEventListener("click", () => showing(shown + 1));

// The list is one stop of the Tab key: the open article, or else the first.
function focusable() {
  const options = [...at("list").children];
  const stop = options.find((option) => option.getAttribute("aria-selected") === "true") ?? options[0];
  for (const option of options) option.tabIndex = option === stop ? 0 : -1;
}

function pick(option) {
  choose(Number(option.dataset.place));
  focusable();
  option.focus();
  kept();
}

at("list").addEventListener("click", (event) => { if (event.target.closest("li")) pick(event.target.closest("li")); });
at("list").addEventListener("keydown", (event) => {
  const options = [...at("list").children], index = options.indexOf(event.target);
  const steps = { ArrowDown: index + 1, ArrowUp: index - 1, PageDown: index + 10, PageUp: index - 10, Home: 0, End: Infinity };
  if (!(event.key in steps) || index < 0) return;
  event.preventDefault();
  if (steps[event.key] >= options.length) showing(Math.min(steps[event.key] + 1, found.length));
  const now = at("list").children;
  pick(now[Math.max(0, Math.min(steps[event.key], now.length - 1))]);
});

// A text in which the words outside `known` are marked: those of `spoilt`, which have lost letters, as such.
function marked(text, known, spoilt = new Map()) {
  const made = element("span", null);
  let last = 0;
  for (const match of text.matchAll(WORD)) {
    const word = match[0].toLowerCase();
    if (known.has(word)) continue;
    const mark = spoilt.has(word) ? element("mark", match[0], { class: "lost", title: said("whole") + spoilt.get(word) }) : element("mark", match[0]);
    made.append(text.slice(last, match.index), mark);
    last = match.index + match[0].length;
  }
  made.append(text.slice(last));
  return made;
}

// The words of a text as a vocabulary without the letters `lost` writes them, in lower case, with what they were.
function spoiltWords(text, lost) {
  const words = new Map();
  if (!lost) return words;
  for (const [word] of text.matchAll(WORD)) {
    const left = [...word].filter((letter) => !lost.includes(letter)).join("").toLowerCase();
    if (left && left !== word.toLowerCase()) words.set(left, word);
  }
  return words;
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
  for (const option of at("list").children) option.setAttribute("aria-selected", Number(option.dataset.place) === place);
  if (!row) { at("article").replaceChildren(); return; }
  parts.push(element("h3", `${row.id}${row.topic ? " · " + topicOf(row.topic) : ""} · ${grouped(row.words)} ${said("words")}`));
  if (texts) parts.push(element("details", null, { open: "" }, element("summary", said("text")), element("p", texts.text, { class: "text", dir: "auto", lang: data.language })));
  else parts.push(element("p", said("absent").replace("{k}", data.every), { class: "note" }, element("code", said("show") + row.id)));
  const body = element("tbody", null), known = new Set((texts?.text ?? "").toLowerCase().match(WORD) ?? []);
  const measure = label(data.measures[numberOf("measure")]);
  const line = (name, content, score, note = "") => body.append(element("tr", null, {},
    element("th", name, { scope: "row" }), element("td", null, { dir: "auto" }, element("span", null, { lang: data.language }, content), note),
    element("td", score, { class: "n", "data-label": measure })));
  for (const reference of [row.reference, ...(row.others ?? [])])
    line(said("reference"), texts ? marked(reference, known) : reference, "");
  const seen = new Set();
  for (const [system, lost] of Object.entries(data.lost)) {
    const content = dropped(row.reference, lost);
    if (!seen.has(lost) && content.querySelector("mark")) line(said("spelled").replace("{s}", named(system)), content, "");
    seen.add(lost);
  }
  const spoilt = Object.fromEntries([...seen].map((lost) => [lost, spoiltWords(texts?.text ?? "", lost)]));
  data.systems.forEach((system, number) => {
    line(named(system), texts ? marked(texts.predictions[number], known, spoilt[data.lost[system]]) : "…", decimal(scoreOf(numberOf("measure"), number, place)),
      texts?.read[number] ? element("small", ` (${said("cut")})`) : "");
  });
  const head = element("thead", null, {}, element("tr", null, {}, element("td", ""), element("td", ""), element("th", measure, { scope: "col", class: "n r" })));
  parts.push(element("div", null, { class: "wide" }, element("table", null, {}, head, body)));
  at("article").replaceChildren(...parts);
  reachable();
}

// Put into the address what differs from how the page opens.
function kept() {
  const values = Object.fromEntries(CONTROLS.map((id) => [id === "search" ? "q" : id, at(id).value]));
  if (at("measure").selectedIndex === 0) values.measure = "";
  keep({ lang: page.lang, at: "", id: data.articles[open]?.id, ...values, order: at("descending").checked ? "descending" : "" });
}

restore = () => {
  for (const id of CONTROLS) select(id, chosen.get(id === "search" ? "q" : id) ?? "");
  at("descending").checked = chosen.get("order") === "descending";
  find();
  if (!chosen.get("id")) return;
  const place = data.articles.findIndex((row) => row.id === chosen.get("id"));
  if (place < 0) { at("count").append(` · ${said("unknown").replace("{id}", chosen.get("id"))}`); return; }
  choose(place);
  showing(found.indexOf(place) + 1);
  if (!chosen.get("at")) at("article").scrollIntoView();
};

speeches.push(() => { at("search").placeholder = at("search").dataset[page.lang]; menus(); list(); choose(open); focusable(); });
for (const id of [...CONTROLS, "descending"]) at(id).addEventListener("input", () => { find(); kept(); });
at("measure").addEventListener("input", () => choose(open));
for (const link of document.querySelectorAll("a[data-place]")) {
  link.addEventListener("click", (event) => {
    if (!isPlain(event)) return;
    event.preventDefault();
    choose(Number(link.dataset.place));
    showing(found.indexOf(open) + 1);
    look("explorer");
    kept();
  });
}
