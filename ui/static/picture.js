/* The right-hand side: the large picture with what can be done with it; sheet and comparison take its place.
   The server sends ids; a picture is fetched once, as the lossless file it was stored as. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const REMEMBERED = 80; // pictures fetched that are kept in this page
  const COPY =
    '<svg viewBox="0 0 24 24" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.8" ' +
    'aria-hidden="true"><path d="M9 9h11v11H9zM5 15H4V4h11v1"/></svg>';
  const VIEWS = { picture: "Picture", sheet: "Sheet", compare: "Compare" };

  /** A button of this panel. */
  space.panelButton = function (text, title, act, more) {
    const button = space.make("button", { type: "button", class: "pv-button", title, "aria-label": title, ...more }, text);
    button.addEventListener("click", act);
    return button;
  };

  /**
   * @param {HTMLElement} element an empty element
   * @param {{server: object, token: () => string, reasons: string[], adopt: () => void, again: (facts: object) => void}} options
   */
  space.mountPictures = function (element, options) {
    const make = space.make;
    const image = make("img", { alt: "", hidden: "" });
    const empty = make("div", { class: "pv-empty" }, "The picture appears here.");
    const preview = make("div", { id: "preview", class: "pv-stage" }, image, empty);
    const badge = make("span", { class: "pv-badge" }, "Synthetic");
    const label = make("span", { class: "pv-label" }, "");
    const copy = space.panelButton("", "Copy the seed of this picture", copySeed, { id: "copy-seed", disabled: "" });
    copy.innerHTML = COPY;
    const views = make("div", { class: "pv-views", role: "group", "aria-label": "What is shown" });
    const head = make("div", { class: "pv-head" }, badge, label, copy, make("span", { class: "mc-gap" }), views);
    const note = make("div", { class: "pv-note", role: "status", "aria-live": "polite" });
    const facts = make("details", { class: "pv-facts" }, make("summary", {}, "Details of this picture"), make("dl", {}));
    facts.hidden = true;
    const sheetBox = make("div", { class: "pv-stage sh", hidden: "" });
    const compareBox = make("div", { class: "pv-stage cp", hidden: "" });
    const tools = make("div", { class: "pv-tools", role: "group", "aria-label": "This picture" });
    const strip = make("div", { class: "pv-strip" });
    const foot = make("div", { class: "pv-foot" }, facts, note);
    element.replaceChildren(head, preview, sheetBox, compareBox, foot, tools, strip);

    const store = new Map(); // id -> {png, facts, caption, file}
    let shown = null; // id of the gallery's picture that is shown
    let wanted = null;
    let current = null; // what is shown: {png, facts, caption}

    /** Ask a server function; `patient` for one that may take longer than a few seconds.
        @throws {Error} its message is for the page */
    async function ask(name, payload, patient = false) {
      const asked = options.server[name]({ token: options.token(), ...payload });
      const answer = await (patient ? asked : space.answered(asked));
      if (!answer || !answer.ok) throw new Error(answer ? answer.error : "The server does not answer.");
      return answer;
    }

    async function fetched(id) {
      if (!store.has(id)) {
        const answer = await ask("picture", { id });
        store.set(id, answer);
        if (store.size > REMEMBERED) store.delete(store.keys().next().value);
      }
      return store.get(id);
    }

    function say(text) {
      if (note.textContent !== text) note.textContent = note.title = text;
    }

    function paint(png, text, alt) {
      image.src = "data:image/png;base64," + png;
      image.alt = alt;
      image.hidden = false;
      empty.hidden = true;
      label.textContent = label.title = text;
    }

    function view(name) {
      preview.hidden = name !== "picture";
      sheetBox.hidden = name !== "sheet";
      compareBox.hidden = name !== "compare";
      element.dataset.view = name;
      for (const button of views.children) button.setAttribute("aria-pressed", String(button.dataset.view === name));
      compare.visible(name === "compare");
    }

    /** Show a picture of the gallery. @returns {Promise<object|null>} what the server knows of it */
    async function show(id) {
      wanted = id;
      try {
        const found = await fetched(id);
        if (wanted !== id) return null;
        shown = id;
        current = found;
        paint(found.png, found.caption, "Synthetic picture, " + found.caption);
        preview.dataset.kind = "finished";
        view("picture");
        tell(found.facts);
        gallery.select(id);
        recall.left(id);
        return found;
      } catch (error) {
        say(error.message);
        return null;
      }
    }

    function tell(list) {
      const rows = Object.entries(list || {}).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, String(value))]);
      facts.hidden = !rows.length;
      copy.disabled = !list || list.seed === undefined;
      facts.querySelector("dl").replaceChildren(...rows);
    }

    /** Show something that the gallery does not have. */
    function loose(kind, png, text, alt, known) {
      wanted = shown = null;
      current = known || null;
      preview.dataset.kind = kind;
      tell(known && known.facts);
      label.textContent = label.title = text;
      gallery.select(null);
      recall.left(null);
      view("picture");
      if (png) paint(png, text, alt);
    }

    /** @param {{kind: string, png?: string, label?: string, id?: string}|null} what what the large picture is */
    async function frame(what) {
      if (!what) return;
      if (space.yieldLive) space.yieldLive();
      if (what.kind === "finished") {
        say("");
        gallery.refresh();
        const found = await show(what.id);
        if (found) recall.finished(what.id, found);
      } else if (what.kind === "sheet") {
        sheet.frame(what);
        gallery.refresh();
        views.querySelector("[data-view=sheet]").disabled = false;
        view("sheet");
      } else {
        const alt = what.kind === "first" ? "Synthetic example picture" : "Unfinished picture";
        loose(what.kind, what.png, what.label || "", alt);
      }
    }

    async function copySeed() {
      const seed = String(current.facts.seed);
      try {
        await navigator.clipboard.writeText(seed);
        say(`Seed ${seed} copied.`);
      } catch (error) {
        say(`This browser does not allow copying; the seed is ${seed}.`);
      }
    }

    /** Give settings to the page: {seed, guidance, steps, sampler, corner_box, prompt}. */
    function adopt(settings) {
      space.adopted = settings;
      options.adopt();
    }

    for (const [name, text] of Object.entries(VIEWS)) {
      const button = space.panelButton(text, text, () => view(name), { "data-view": name, "aria-pressed": "false" });
      button.disabled = name !== "picture";
      views.append(button);
    }

    const panel = { ask, fetched, show, say, view, loose, adopt, again: options.again, current: () => current, shown: () => shown };
    panel.compare = function (a, b) {
      views.querySelector("[data-view=compare]").disabled = false;
      compare.set(a, b);
      view("compare");
    };
    const sheet = new space.Sheet(sheetBox, panel);
    const compare = new space.Compare(compareBox, panel);
    const gallery = new space.Gallery(tools, strip, panel, options.reasons);
    const recall = new space.Recall(element, tools, foot, panel);
    new space.Downloads(tools, panel, gallery);
    view("picture");
    space.pictures = panel;
    return { frame, start: () => gallery.refresh() };
  };
})();
