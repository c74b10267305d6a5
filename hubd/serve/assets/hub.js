// Keeps a page that shows a server up to date, and spares people a second click. Everything works without it.
"use strict";

const card = document.querySelector("[data-live]");
const people = document.querySelector("[data-people]");
// This script is /hub/static/VERSION/hub.js, wherever the hub is.
const pages = new URL("../../", document.currentScript.src);

// `root` shows one server: its texts, and what is there in this phase only.
function fill(root, state) {
  const changed = root.dataset.phase !== state.phase;
  root.dataset.phase = state.phase;
  for (const node of root.querySelectorAll("[data-text]")) {
    const text = state[node.dataset.text];
    if (node.textContent !== text) node.textContent = text;
  }
  for (const node of root.querySelectorAll("[data-width]")) node.setAttribute("width", state[node.dataset.width]);
  for (const node of root.querySelectorAll("[data-some]")) node.hidden = !state[node.dataset.some];
  if (!changed) return false;
  for (const node of root.querySelectorAll("[data-when]")) {
    node.hidden = !node.dataset.when.split(" ").includes(state.phase);
  }
  ready(root);
  return true;
}

function show(state) {
  if (fill(card, state) && state.phase === "running" && card.dataset.next) location.replace(card.dataset.next);
}

let shortTold = null;

function showPeople({ total, rows, short }) {
  for (const row of rows) {
    const root = people.querySelector(`[data-name="${CSS.escape(row.name)}"]`);
    if (root) fill(root, row);
  }
  const place = people.querySelector("[data-short]");
  if (place && short !== shortTold) {
    place.replaceChildren(...new DOMParser().parseFromString(short, "text/html").body.children);
    shortTold = short;
  }
  const stale = people.querySelector("[data-stale]");
  if (stale) stale.hidden = String(total) === people.dataset.total;
}

let events = null;

function listen() {
  if (!(card || people) || document.hidden || events) return;
  const address = card ? card.dataset.live : `people/events?token=${encodeURIComponent(people.dataset.token)}`;
  const tell = card ? show : showPeople;
  events = new EventSource(new URL(address, pages));
  events.onmessage = (event) => tell(JSON.parse(event.data));
  events.addEventListener("over", () => location.reload());
  // An answer that is no stream of events: the login is over, or the hub is being restarted.
  events.onerror = () => {
    if (events && events.readyState === EventSource.CLOSED) {
      deaf();
      // Nobody loses what they have ticked or typed.
      if (card) setTimeout(() => location.reload(), 3000);
      else setTimeout(listen, 5000);
    }
  };
}

function deaf() {
  if (events) events.close();
  events = null;
}

// Browsers open few connections to one host: pages in the background give theirs back.
document.addEventListener("visibilitychange", () => (document.hidden ? deaf() : listen()));
addEventListener("pagehide", deaf);

function ready(root) {
  for (const form of root.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const button of root.querySelectorAll("button[aria-busy]")) button.removeAttribute("aria-busy");
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if ("sent" in form.dataset) return event.preventDefault();
  form.dataset.sent = "";
  const button = event.submitter || form.querySelector("button:not([type])");
  if (button) button.setAttribute("aria-busy", "true");
});

// Coming back with the Back button finds the page as it was left.
addEventListener("pageshow", (event) => {
  if (event.persisted) {
    ready(document);
    listen();
  }
});

for (const field of document.querySelectorAll("input[type=password]:not([name=repeat])")) {
  const toggle = document.createElement("button");
  toggle.type = "button";
  toggle.className = "peek";
  const label = () => {
    const shown = field.type === "text";
    toggle.textContent = shown ? "Hide" : "Show";
    toggle.setAttribute("aria-label", shown ? "Hide the password" : "Show the password");
  };
  toggle.addEventListener("click", () => {
    field.type = field.type === "text" ? "password" : "text";
    label();
    field.focus();
  });
  label();
  const box = document.createElement("div");
  box.className = "box";
  field.replaceWith(box);
  box.append(field, toggle);
  field.form.addEventListener("submit", () => (field.type = "password"));
}

// The list of people: one box for all of them, and how many are ticked.
const many = document.querySelector("[data-many]");
if (many) {
  const boxes = [...many.querySelectorAll("tbody input[type=checkbox]")];
  const all = many.querySelector("[data-all]");
  const count = many.querySelector("[data-count]");
  const tell = () => {
    const ticked = boxes.filter((box) => box.checked).length;
    all.checked = ticked > 0 && ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
    count.textContent = ticked ? `With the ${ticked} you ticked:` : "With those you tick:";
  };
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    tell();
  });
  for (const box of boxes) box.addEventListener("change", tell);
  addEventListener("pageshow", tell);
}

for (const log of document.querySelectorAll("[data-end]")) log.scrollTop = log.scrollHeight;

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

listen();

// How long whoever has watched an install waits for the link, in milliseconds; and how often the hub may say that it has no
// certificate before that is shown, for it may just be getting one.
const PATIENCE = 300000;
const REFUSALS = 30;
let refusals = 0;

// The page at which an install can be watched gives way to the hub: `ready` answers well once `next` can be opened there.
async function wait() {
  const page = document.querySelector("[data-installing]");
  try {
    const news = await fetch(location.href, { cache: "no-store", redirect: "manual" });
    if (news.headers.has("hubd-installing")) {
      const fresh = new DOMParser().parseFromString(await news.text(), "text/html").querySelector("[data-installing]");
      if (fresh && fresh.innerHTML !== page.innerHTML) page.replaceWith(fresh);
    } else {
      const { ok, type } = await fetch(page.dataset.ready, { method: "HEAD", cache: "no-store", redirect: "manual" });
      if (ok) return location.replace(page.dataset.next);
      // A redirect leads to https, where a script of this page may not look: the page there waits itself.
      if (type === "opaqueredirect") return location.replace(`${page.dataset.next}?until=${Date.now() + PATIENCE}`);
      // The hub is there and can't let anybody in, for want of a certificate: what it says of that is worth more than an old bar.
      if (news.status === 503 && ++refusals > REFUSALS) {
        const said = new DOMParser().parseFromString(await news.text(), "text/html").querySelectorAll("h1, p");
        page.replaceChildren(...said);
      }
    }
  } catch {
    // Between the installer and the hub nobody answers for a moment.
  }
  setTimeout(wait, 1000);
}

if (document.querySelector("[data-installing]")) wait();

// Whoever has watched an install may be here before the link is.
const until = /^\?until=(\d+)$/.exec(location.search);
if (until && Date.now() < Number(until[1]) && !document.querySelector("form")) setTimeout(() => location.reload(), 1000);
