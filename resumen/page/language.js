// The language of a page, its numbers, and its address, which keeps what was chosen. No library, no request.
"use strict";

const page = document.documentElement;
const at = (id) => document.getElementById(id);
const speeches = []; // what else is said again in another language

// The first of the reader's languages that the page speaks. Spanish is written with a decimal comma;
// where the reader's own has a point, as in Mexico, so has the page.
const readers = navigator.languages ?? [];
const preferred = readers.map((one) => one.slice(0, 2)).find((one) => ["en", "es"].includes(one)) ?? "en";
const spanish = readers.find((one) => one.startsWith("es"));
const hasPoint = Boolean(spanish) && new Intl.NumberFormat(spanish).format(1.5).includes(".");

function decimal(value, places = 1) {
  const text = value.toFixed(places).replace("-", "−");
  return page.lang === "es" && !hasPoint ? text.replace(".", ",") : text;
}

function grouped(count) {
  if (page.lang === "en") return count.toLocaleString("en");
  return count < 10000 ? String(count) : String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

function withPoints() {
  const comma = /(\d),(?=\d)/g;
  for (const part of document.querySelectorAll('.t[lang="es"]')) {
    const texts = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replace(comma, "$1.");
    for (const image of part.querySelectorAll("[aria-label]")) image.setAttribute("aria-label", image.getAttribute("aria-label").replace(comma, "$1."));
  }
}

// What is chosen stands behind the # of the address, as in #lang=es&id=test-12&sort=finetuned; an address such as
// #systems is that of a part of the page.
const hash = () => location.hash.slice(1);
let chosen = new URLSearchParams(hash().includes("=") ? hash() : "");
let waiting = null;

function set(values) {
  for (const [key, value] of Object.entries(values)) {
    if (value) chosen.set(key, value); else chosen.delete(key);
  }
}

function keep(values) {
  set(values);
  clearTimeout(waiting); // a browser takes so many changes a second
  waiting = setTimeout(() => history.replaceState(null, "", `#${chosen}`), 200);
}

function look(id) {
  at(id).setAttribute("tabindex", "-1");
  at(id).focus({ preventScroll: true });
  at(id).scrollIntoView();
}

// Go to a part of the page; what is chosen stays in the address, and the way back is that of the browser.
function go(id) {
  look(id);
  set({ lang: page.lang, at: id });
  clearTimeout(waiting);
  history.pushState(null, "", `#${chosen}`);
}

const isPlain = (event) => !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);

function speak(language) {
  page.lang = language;
  document.title = document.querySelector("title").dataset[language];
  for (const button of document.querySelectorAll("[data-speak]")) button.setAttribute("aria-pressed", button.dataset.speak === language);
  for (const speech of speeches) speech();
}

// What scrolls can be scrolled with the keyboard.
function reachable() {
  for (const part of document.querySelectorAll(".wide, .text, .probe p, pre")) {
    const scrolls = part.scrollWidth > part.clientWidth + 1 || part.scrollHeight > part.clientHeight + 1;
    if (scrolls) part.setAttribute("tabindex", "0"); else part.removeAttribute("tabindex");
  }
}

for (const link of document.querySelectorAll('a[href^="#"]:not([data-place])')) {
  link.addEventListener("click", (event) => {
    if (!isPlain(event) || !at(link.hash.slice(1))) return;
    event.preventDefault();
    go(link.hash.slice(1));
  });
}
for (const button of document.querySelectorAll("[data-speak]")) {
  button.addEventListener("click", () => { speak(button.dataset.speak); keep({ lang: page.lang }); });
}
for (const part of document.querySelectorAll("details")) part.addEventListener("toggle", reachable);
addEventListener("resize", reachable);
addEventListener("hashchange", () => {
  if (!hash().includes("=")) return;
  chosen = new URLSearchParams(hash());
  start();
});

let restore = () => {}; // the choices of the page that has any
function start() {
  speak(["en", "es"].includes(chosen.get("lang")) ? chosen.get("lang") : preferred);
  restore();
  reachable();
  if (chosen.get("at")) at(chosen.get("at"))?.scrollIntoView();
}

if (hasPoint) withPoints();
