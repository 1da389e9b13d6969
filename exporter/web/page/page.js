
// Keeps the page live: asks the server for it again and changes only what differs, so that the
// search text, the order, the scroll and the focus stay. Without it the page loads anew by itself.
"use strict";
(() => {
  const EVERY = 5000; // milliseconds from an answer to the next question
  const PATIENCE = 10000; // milliseconds until no answer counts as one
  const OURS = new Set(["open", "hidden", "disabled", "aria-sort"]); // attributes the reader changes

  const main = document.querySelector("main");
  const find = document.getElementById("find");
  const state = document.getElementById("state");
  const age = document.getElementById("age");
  const html = document.documentElement;
  let taken = performance.now(); // when what is shown came
  let timer = 0;
  let asking = false;

  // -- the server's words into the page, without ever making markup of text

  function merge(from, to) {
    for (const { name } of [...from.attributes]) {
      if (!to.hasAttribute(name) && !OURS.has(name)) from.removeAttribute(name);
    }
    for (const { name, value } of to.attributes) {
      if (!OURS.has(name) && from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
    const old = [...from.childNodes];
    const fresh = [...to.childNodes];
    fresh.forEach((node, i) => {
      const there = old[i];
      if (!there) from.append(node);
      else if (there.nodeName !== node.nodeName || there.id !== node.id) there.replaceWith(node);
      else if (node.nodeType === Node.ELEMENT_NODE) merge(there, node);
      else if (there.data !== node.data) there.data = node.data;
    });
    old.slice(fresh.length).forEach((node) => node.remove());
  }

  // -- the tables: order and search

  const tables = () => main.querySelectorAll("table.images");
  const figure = (cell) => {
    const digits = cell.textContent.replaceAll(",", "");
    if (/^\d+$/.test(digits)) return Number(digits);
    return digits === "?" ? Infinity : Number.MAX_VALUE; // not known is last
  };

  function compare(column, descending) {
    const words = ["image", "file"].includes(column.kind);
    const one = (row) => row.cells[column.index];
    return (a, b) => {
      const [x, y] = descending ? [one(b), one(a)] : [one(a), one(b)];
      if (words) return x.textContent.localeCompare(y.textContent);
      return figure(x) - figure(y) || 0;
    };
  }

  function arrange(table) {
    const body = table.tBodies[0];
    const heading = table.querySelector("[aria-sort]");
    const rows = [...body.rows].sort((a, b) => a.place - b.place);
    if (heading) {
      const column = { index: heading.cellIndex, kind: heading.className };
      rows.sort(compare(column, heading.getAttribute("aria-sort") === "descending"));
    }
    if (rows.some((row, i) => row !== body.rows[i])) body.append(...rows);
  }

  function restore() {
    for (const table of tables()) {
      const rows = [...table.tBodies[0].rows];
      if (rows.some((row, i) => row.place !== i)) {
        table.tBodies[0].append(...rows.sort((a, b) => a.place - b.place));
      }
    }
  }

  function dress() {
    for (const table of tables()) {
      [...table.tBodies[0].rows].forEach((row, i) => { row.place = i; });
      table.querySelectorAll("button").forEach((button) => { button.disabled = false; });
      arrange(table);
    }
    search();
  }

  function search() {
    const wanted = find.value.trim().toLowerCase();
    for (const table of tables()) {
      let found = 0;
      const rows = table.tBodies[0].rows;
      for (const row of rows) {
        row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
        found += row.hidden ? 0 : 1;
      }
      const told = table.closest("section").querySelector(".found");
      told.textContent = wanted ? `${found} found` : "";
    }
  }

  main.addEventListener("click", (event) => {
    const heading = event.target.closest("table.images thead th");
    if (!heading || !event.target.closest("button")) return;
    const next = { null: "ascending", ascending: "descending" }[heading.getAttribute("aria-sort")];
    heading.parentNode.querySelectorAll("[aria-sort]").forEach((th) => th.removeAttribute("aria-sort"));
    if (next) heading.setAttribute("aria-sort", next);
    arrange(heading.closest("table"));
  });

  // -- time: everything shown grows old by our clock's steps, never by its date

  function since(seconds) {
    const whole = Math.max(0, Math.floor(seconds));
    if (whole < 60) return `${whole} s ago`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min ago`;
    if (whole < 172800) return `${Math.floor(whole / 3600)} h ago`;
    return `${Math.floor(whole / 86400)} days ago`;
  }

  function tick() {
    const shown = (performance.now() - taken) / 1000;
    const now = Number(main.dataset.now) + shown;
    for (const time of main.querySelectorAll("time[data-at]")) {
      const words = since(now - Number(time.dataset.at));
      if (time.textContent !== words) time.firstChild.data = words;
    }
    age.textContent = `${html.classList.contains("lost") ? "what is shown is from" : "as of"} ${since(shown)}`;
  }

  function tell(words, lost) {
    html.classList.toggle("lost", lost);
    if (state.textContent !== words) state.textContent = words;
    tick();
  }

  // -- asking

  function show(fresh) {
    const next = fresh && fresh.querySelector("main[data-now]");
    if (!next) return tell("What answers is not this daemon;", true);
    if (fresh.body.dataset.build !== document.body.dataset.build) return location.reload();
    restore();
    merge(main, next);
    document.title = fresh.title;
    taken = performance.now();
    dress();
    tell("Live,", false);
  }

  function ask() {
    clearTimeout(timer);
    if (asking || document.hidden) return;
    asking = true;
    const question = new XMLHttpRequest();
    question.open("GET", location.pathname + location.search);
    question.responseType = "document";
    question.timeout = PATIENCE;
    question.onload = () => {
      if (question.status === 200) show(question.responseXML);
      else tell(`The daemon answers with status ${question.status};`, true);
    };
    question.onerror = question.ontimeout = () => tell("The daemon does not answer;", true);
    question.onloadend = () => {
      asking = false;
      timer = setTimeout(ask, EVERY);
    };
    question.send();
  }

  html.classList.add("live");
  find.addEventListener("input", search);
  document.addEventListener("visibilitychange", ask);
  setInterval(tick, 1000);
  dress();
  tell("Live,", false);
  timer = setTimeout(ask, EVERY);
})();
