/* The screen "Your files": what lies where, how large it is, and deleting it after a question.
   The server sends ids that mean nothing outside; small pictures are fetched when their row is seen. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const AT_ONCE = 60; // rows shown of a group until more are asked for
  const TOGETHER = 24; // small pictures fetched in one call
  const SIGNS = {
    dataset: "M3 6h6l2 2h10v11H3z",
    run: "M4 19V5m0 14h16M7 15l4-5 3 3 5-7",
    export: "M4 14v6h16v-6M12 4v11M8 8l4-4 4 4",
    study: "M4 4h16v12H4zM9 20h6M12 16v4M8 10l3 3 5-5",
    cache: "M5 4h14v4H5zM6 8l1 12h10l1-12M10 12v5M14 12v5",
    drawing: "M4 20l4-1L20 7l-3-3L5 16z",
    picture: "M3 5h18v14H3zM3 16l5-5 5 5 3-3 5 4",
    "saved mask": "M12 4c5 0 8 3 8 7s-4 9-8 9-8-4-8-8 3-8 8-8z",
  };

  /**
   * @param {HTMLElement} element an empty element
   * @param {{server: {listing: Function, look: Function, remove: Function, thumb: Function}, token: () => string}} options
   */
  space.mountFiles = function (element, options) {
    const make = space.make;
    const where = make("div", { class: "fl-where", id: "files-where" });
    const whose = make("div", { class: "fl-soft" }, "Everything lies in one folder:");
    const total = make("dd", { id: "files-total" }, "…");
    const free = make("dd", { id: "files-free" }, "…");
    const groups = make("div", { class: "fl-groups", role: "group", "aria-label": "Show one kind of files" });
    const search = make("input", { type: "search", id: "files-search", placeholder: "Search", "aria-label": "Search your files" });
    const again = make("button", { type: "button", class: "fl-button", id: "files-again" }, "Refresh");
    const said = make("div", { class: "fl-said", id: "files-said", role: "status" });
    const list = make("div", { class: "fl-list", id: "files-list" });
    const ask = make("dialog", { class: "fl-ask", id: "files-ask", "aria-labelledby": "files-question" });
    const figures = make("dl", { class: "fl-figures" });
    for (const [name, value] of [["In use", total], ["Free on this disk", free]])
      figures.append(make("div", {}, make("dt", {}, name), value));
    const aside = make("aside", { class: "fl-card" });
    aside.append(
      make("h2", {}, "Your files"),
      whose, where, figures, groups
    );
    const main = make("div", { class: "fl-card" });
    main.append(make("div", { class: "fl-tools" }, search, again, said), list);
    element.replaceChildren(aside, main, ask);

    const state = { entries: [], groups: [], kind: null, shown: {}, loaded: false, reading: null };
    const thumbs = new Map(); // id -> base64; what was fetched once
    const wanted = new Map(); // id -> element that waits for its small picture
    let fetching = false;

    const seen = new IntersectionObserver((found) => {
      for (const one of found.filter((f) => f.isIntersecting)) {
        seen.unobserve(one.target);
        wanted.set(one.target.dataset.id, one.target);
      }
      fetchThumbs();
    }, { rootMargin: "200px" });

    async function fetchThumbs() {
      if (fetching) return;
      fetching = true;
      try {
        while (wanted.size) {
          const some = [...wanted].slice(0, TOGETHER);
          for (const [id] of some) wanted.delete(id);
          const ids = some.map(([id]) => id);
          const answer = await space.answered(options.server.thumb({ token: options.token(), ids }));
          for (const [id, place] of some) {
            const png = answer.ok && answer.thumbs[id];
            if (!png) continue;
            thumbs.set(id, png);
            picture(place, png);
          }
        }
      } catch (error) {
        tell("bad", error.message);
      } finally {
        fetching = false;
      }
    }

    function picture(place, png) {
      place.replaceChildren(make("img", { src: "data:image/png;base64," + png, alt: "" }));
    }

    function tell(kind, text) {
      said.dataset.kind = kind;
      said.textContent = text;
    }

    /** Ask the server what there is; the newest answer wins. */
    async function read() {
      const mine = (state.reading = {});
      try {
        const answer = await space.answered(options.server.listing({ token: options.token() }));
        if (mine !== state.reading) return;
        if (!answer.ok) throw new Error(answer.error);
        state.entries = answer.entries;
        state.groups = answer.groups;
        where.textContent = answer.where;
        const closed = answer.private ? ", closed to other accounts of the machine" : "";
        whose.textContent = `Everything lies in one folder of the machine that runs this studio${closed}:`;
        total.textContent = size(answer.total);
        free.textContent = size(answer.free);
        state.loaded = true;
        show();
        element.dataset.readings = String(Number(element.dataset.readings || 0) + 1);
      } catch (error) {
        if (mine === state.reading) tell("bad", error.message);
      }
    }

    function show() {
      const most = Math.max(1, ...state.groups.map((g) => g.bytes));
      groups.replaceChildren(
        ...state.groups.map((group) => {
          const name = make("span", { class: "fl-name" }, group.title, make("em", {}, ` ${group.count}`));
          const part = make("span", {});
          part.style.width = `${group.bytes ? Math.max(1.5, (100 * group.bytes) / most) : 0}%`;
          const bar = make("span", { class: "fl-bar", "aria-hidden": "true" }, part);
          const pressed = String(state.kind === group.kind);
          const button = make("button", { type: "button", class: "fl-group", "aria-pressed": pressed });
          button.dataset.kind = group.kind;
          button.append(name, make("span", {}, group.count ? size(group.bytes) : "–"), bar);
          button.addEventListener("click", () => {
            state.kind = state.kind === group.kind ? null : group.kind;
            show();
            groups.querySelector(`[data-kind="${group.kind}"]`).focus();
          });
          return button;
        })
      );
      rows();
    }

    function rows() {
      seen.disconnect();
      wanted.clear();
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const sections = [];
      for (const group of state.groups.filter((g) => !state.kind || g.kind === state.kind)) {
        const all = state.entries.filter((e) => e.kind === group.kind);
        const found = all.filter((e) => {
          const text = `${e.title} ${e.note} ${group.title}`.toLowerCase(); // not the path: its digits match anything
          return words.every((word) => text.includes(word));
        });
        if (words.length && !found.length) continue;
        sections.push(section(group, all, found));
      }
      if (!sections.length) sections.push(make("p", { class: "fl-empty" }, `Nothing here is called “${search.value}”.`));
      list.replaceChildren(...sections);
    }

    function section(group, all, found) {
      const count = found.length === all.length ? `${all.length}` : `${found.length} of ${all.length}`;
      const whose = group.shared ? "shared by everybody in this studio" : "only you see these";
      const head = make("div", { class: "fl-head" }, make("h3", {}, group.title));
      head.append(make("span", { class: "fl-soft" }, all.length ? `${count} · ${whose}` : whose));
      const made = make("section", { "aria-label": group.title }, head);
      if (!all.length) {
        made.append(make("div", { class: "fl-empty" }, group.empty));
        return made;
      }
      const most = state.shown[group.kind] || AT_ONCE;
      made.append(make("ul", { class: "fl-rows" }, ...found.slice(0, most).map(row)));
      if (found.length > most) {
        const text = `Show ${Math.min(AT_ONCE, found.length - most)} more of ${found.length}`;
        const more = make("button", { type: "button", class: "fl-button" }, text);
        more.addEventListener("click", () => {
          state.shown[group.kind] = most + AT_ONCE;
          rows();
          list.querySelectorAll(`[data-kind="${group.kind}"] .fl-delete`)[most]?.focus();
        });
        made.append(more);
      }
      return made;
    }

    function row(entry) {
      const thumb = make("div", { class: "fl-thumb" });
      thumb.dataset.id = entry.id;
      thumb.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${SIGNS[entry.kind]}"/></svg>`;
      if (thumbs.has(entry.id)) picture(thumb, thumbs.get(entry.id));
      else if (entry.thumb) seen.observe(thumb);
      const text = make("div", {}, make("div", { class: "fl-title" }, entry.title));
      text.firstChild.title = entry.title;
      const note = make("div", { class: "fl-note" }, [entry.note, entry.path].filter(Boolean).join(" · "));
      note.title = entry.path;
      text.append(note);
      text.style.minWidth = "0";
      const label = `Delete ${entry.title}, ${size(entry.bytes)}`;
      const button = make("button", { type: "button", class: "fl-button fl-delete", "aria-label": label }, "Delete…");
      button.addEventListener("click", () => question(entry, button));
      const when = make("div", { class: "fl-when" }, date(entry.made));
      const made = make("li", { class: "fl-row" }, thumb, text, when, make("div", { class: "fl-size" }, size(entry.bytes)), button);
      made.dataset.id = entry.id;
      made.dataset.kind = entry.kind;
      return made;
    }

    /** Ask before anything is deleted; the question says what goes with it and what remembers it. */
    async function question(entry, button) {
      button.disabled = true;
      tell("", entry.kind === "dataset" ? "Looking for models that were trained on it…" : "");
      let found;
      try {
        found = await space.answered(options.server.look({ token: options.token(), id: entry.id }));
        if (!found.ok) throw new Error(found.error);
        tell("", "");
      } catch (error) {
        tell("bad", `Nothing was deleted. ${error.message}`);
        return;
      } finally {
        button.disabled = false;
        button.focus();
      }
      const title = make("h2", { id: "files-question" }, `Delete “${entry.title}”?`);
      const parts = [title, make("p", {}, `${size(entry.bytes)} in ${entry.path}. It cannot be brought back.`)];
      if (found.along.length)
        parts.push(make("p", {}, "With it go:"), make("ul", {}, ...found.along.map((text) => make("li", {}, text))));
      if (found.shared) parts.push(make("p", {}, "Everybody in this studio shares it, and it goes for all of them."));
      if (found.warning) parts.push(make("p", { class: "fl-warning" }, found.warning));
      else if (entry.kind === "dataset") parts.push(make("p", {}, "No model here is known to have been trained on it."));
      const keep = make("button", { type: "button", class: "fl-button", id: "files-keep" }, "Keep it");
      const go = make("button", { type: "button", class: "fl-button strong", id: "files-delete" }, "Delete for good");
      keep.addEventListener("click", () => ask.close());
      go.addEventListener("click", () => remove(entry, go));
      ask.replaceChildren(...parts, make("div", { class: "fl-answers" }, keep, go));
      ask.onclose = () => button.isConnected && button.focus();
      ask.showModal();
      keep.focus();
    }

    async function remove(entry, go) {
      go.disabled = true;
      let answer;
      try {
        answer = await space.answered(
          options.server.remove({ token: options.token(), id: entry.id, confirmed: true })
        );
        if (!answer.ok) throw new Error(answer.error);
      } catch (error) {
        ask.close();
        tell("bad", `Not deleted. ${error.message}`);
        read();
        return;
      }
      const next = neighbour(entry.id);
      ask.close();
      await read();
      const text = `Deleted “${answer.title}”, ${size(answer.bytes)}.`;
      tell(answer.warning ? "warn" : "good", answer.warning ? `${text} ${answer.warning}` : text);
      const place = next && list.querySelector(`[data-id="${next}"] .fl-delete`);
      (place || search).focus();
      if (answer.kind === "drawing") location.reload(); // the studio still holds it on the screen
    }

    function neighbour(id) {
      const all = [...list.querySelectorAll(".fl-row")];
      const at = all.findIndex((one) => one.dataset.id === id);
      const near = all[at + 1] || all[at - 1];
      return near ? near.dataset.id : null;
    }

    search.addEventListener("input", rows);
    again.addEventListener("click", () => {
      tell("", "");
      read();
    });
    let started = false;
    const visible = new IntersectionObserver((found) => {
      if (started && found.some((one) => one.isIntersecting)) read(); // the tab was opened: what is there now?
    });
    return {
      start() {
        if (started) return;
        started = true;
        visible.observe(element);
      },
    };
  };

  /** @param {number} bytes */
  function size(bytes) {
    if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
    if (bytes >= 1e8) return `${Math.round(bytes / 1e6)} MB`;
    if (bytes >= 1e5) return `${(bytes / 1e6).toFixed(1)} MB`;
    return `${Math.max(bytes ? 1 : 0, Math.round(bytes / 1e3))} kB`;
  }

  /** @param {number} seconds since 1970 */
  function date(seconds) {
    const day = new Date(seconds * 1000);
    const two = (n) => String(n).padStart(2, "0");
    const clock = `${two(day.getHours())}:${two(day.getMinutes())}`;
    return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())} ${clock}`;
  }
})();
