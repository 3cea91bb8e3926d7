"use strict";
(() => {
  const SILENCE = 15000; // milliseconds; the server says something every five seconds
  const state = document.getElementById("state");
  const filter = document.getElementById("filter");
  const waiting = new Map(); // sections that a reader has selected text in
  let source;
  let heard = Date.now();

  const say = (tone, word) => {
    if (state.textContent !== word) { state.textContent = word; state.className = `status ${tone}`; }
  };

  const narrow = () => {
    const words = filter.value.toLowerCase();
    for (const row of document.querySelectorAll("#runs tbody tr")) {
      row.hidden = !row.textContent.toLowerCase().includes(words);
    }
  };

  const isSelectedIn = (section) => {
    const selection = getSelection();
    return !selection.isCollapsed && section.contains(selection.anchorNode);
  };

  const focusable = (section) => [...section.querySelectorAll("a, summary, input, [tabindex]")];

  const shown = new Set();

  const put = (section, html) => {
    const open = [...section.querySelectorAll("details")].map((each) => each.open);
    const scrolled = [...section.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
    const focused = focusable(section).indexOf(document.activeElement);
    section.innerHTML = html;
    section.querySelectorAll("details").forEach((each, n) => { each.open = open[n] ?? false; });
    section.querySelectorAll(".scroll").forEach((each, n) => { each.scrollLeft = scrolled[n] ?? 0; });
    focusable(section)[focused]?.focus({ preventScroll: true });
    if (shown.has(section.id)) { // the first is what the page came with
      section.classList.remove("changed");
      void section.offsetWidth; // begins the animation anew
      section.classList.add("changed");
    }
    shown.add(section.id);
    narrow();
  };

  const bring = (id, html) => {
    const section = document.getElementById(id);
    if (section === null) { return; }
    if (isSelectedIn(section)) { waiting.set(id, html); return; }
    waiting.delete(id);
    put(section, html);
  };

  const listen = () => {
    source?.close();
    heard = Date.now();
    source = new EventSource(`stream${location.search}`);
    source.addEventListener("section", (event) => {
      heard = Date.now();
      const { id, html } = JSON.parse(event.data);
      bring(id, html);
    });
    source.addEventListener("time", (event) => {
      heard = Date.now();
      say("good", "live");
      document.getElementById("time").textContent = event.data;
    });
    source.onerror = () => say("doubt", "disconnected");
  };

  filter.addEventListener("input", narrow);
  document.addEventListener("selectionchange", () => {
    for (const [id, html] of [...waiting]) { bring(id, html); }
  });
  setInterval(() => {
    if (Date.now() - heard > SILENCE) { say("doubt", "disconnected"); }
    if (source.readyState === EventSource.CLOSED || Date.now() - heard > SILENCE) { listen(); }
  }, 2000);
  listen();
})();
