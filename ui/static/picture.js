/* The right-hand side: the large picture, what was made so far, what was kept.
   The server sends ids; a picture is fetched once, as the lossless file it was stored as. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});

  /**
   * @param {HTMLElement} element an empty element
   * @param {{server: {picture: Function, keep: Function, kept: Function}, token: () => string}} options
   */
  space.mountPictures = function (element, options) {
    const make = space.make;
    const image = make("img", { alt: "", hidden: "" });
    const empty = make("div", { class: "pv-empty" }, "The picture appears here.");
    const preview = make("div", { id: "preview", class: "pv-stage" }, image, empty);
    const badge = make("span", { class: "pv-badge" }, "Synthetic");
    const label = make("span", { class: "pv-label" }, "");
    const keep = make("button", { type: "button", class: "pv-button", id: "keep", disabled: "" }, "Keep");
    const save = make("a", { class: "pv-button", id: "download", title: "Save this picture as a file" }, "Save");
    save.hidden = true;
    const head = make("div", { class: "pv-head" }, badge, label, make("span", { class: "mc-gap" }), save, keep);
    const facts = make("details", { class: "pv-facts" }, make("summary", {}, "Details of this picture"), make("dl", {}));
    facts.hidden = true;
    const gallery = make("div", { id: "gallery", class: "pv-gallery", role: "group", "aria-label": "Pictures made so far" });
    const kept = make("div", { id: "kept", class: "pv-kept", "aria-live": "polite" });
    element.replaceChildren(head, preview, make("div", { class: "pv-foot" }, facts), make("div", { class: "pv-shelf" }, gallery, kept));

    const store = new Map(); // id -> {png, facts, caption}
    let shown = null;
    let wanted = null;

    function paint(png, text, alt) {
      image.src = "data:image/png;base64," + png;
      image.alt = alt;
      image.hidden = false;
      empty.hidden = true;
      label.textContent = text;
    }

    async function fetched(id) {
      if (!store.has(id)) {
        const answer = await space.answered(options.server.picture({ token: options.token(), id }));
        if (!answer.ok) throw new Error(answer.error);
        store.set(id, answer);
      }
      return store.get(id);
    }

    async function show(id) {
      wanted = id;
      try {
        const found = await fetched(id);
        if (wanted !== id) return;
        shown = id;
        paint(found.png, found.caption, "Synthetic picture, " + found.caption);
        preview.dataset.kind = "finished";
        keep.disabled = Boolean(found.keptAlready);
        keep.textContent = found.keptAlready ? "Kept ✓" : "Keep";
        save.href = image.src;
        save.download = found.file;
        save.hidden = false;
        tell(found.facts);
        for (const button of gallery.children)
          button.setAttribute("aria-pressed", String(button.dataset.id === String(id)));
      } catch (error) {
        label.textContent = error.message;
      }
    }

    function tell(list) {
      const rows = Object.entries(list || {}).flatMap(([name, value]) => [
        make("dt", {}, name),
        make("dd", {}, String(value)),
      ]);
      facts.hidden = !rows.length;
      facts.querySelector("dl").replaceChildren(...rows);
    }

    function loose(text) {
      wanted = shown = null;
      keep.disabled = true;
      keep.textContent = "Keep";
      save.hidden = true;
      tell({});
      label.textContent = text;
      for (const button of gallery.children) button.setAttribute("aria-pressed", "false");
    }

    /** @param {{kind: string, png?: string, label?: string, id?: string}|null} frame what the large picture is */
    function frame(what) {
      if (!what) return;
      preview.dataset.kind = what.kind;
      if (what.kind === "finished") {
        show(what.id);
        return;
      }
      loose(what.label || "");
      if (what.png) paint(what.png, what.label, what.kind === "first" ? "Synthetic example picture" : "Unfinished picture");
    }

    /** @param {Array<{id: string, caption: string}>} results newest first */
    function results(list) {
      const old = new Map([...gallery.children].map((button) => [button.dataset.id, button]));
      gallery.replaceChildren(
        ...list.map((result) => {
          if (old.has(result.id)) return old.get(result.id);
          const thumb = make("img", { alt: "" });
          const title = "Show the picture with " + result.caption;
          const button = make("button", { type: "button", class: "pv-thumb", title, "aria-label": title, "aria-pressed": "false" });
          button.dataset.id = result.id;
          button.append(thumb, make("span", {}, result.caption));
          button.addEventListener("click", () => show(result.id));
          fetched(result.id)
            .then((found) => (thumb.src = "data:image/png;base64," + found.png))
            .catch((error) => (button.title = error.message));
          return button;
        })
      );
      for (const button of gallery.children)
        button.setAttribute("aria-pressed", String(button.dataset.id === String(shown)));
      gallery.hidden = !list.length;
    }

    function shelf(answer) {
      const thumbs = answer.recent.map((pair) =>
        make("img", { src: "data:image/png;base64," + pair.png, alt: "Kept synthetic picture", title: pair.name })
      );
      kept.replaceChildren(make("span", { class: "pv-kept-count" }, `kept: ${answer.count}`), ...thumbs);
      kept.title = "Kept with their outlines in " + answer.folder;
    }

    keep.addEventListener("click", async () => {
      if (shown === null) return;
      const id = shown;
      keep.disabled = true;
      try {
        const answer = await space.answered(options.server.keep({ token: options.token(), id }));
        if (!answer.ok) throw new Error(answer.error);
        store.get(id).keptAlready = true;
        if (shown === id) keep.textContent = "Kept ✓";
        shelf(answer);
      } catch (error) {
        keep.disabled = false;
        label.textContent = "Not kept. " + error.message;
      }
    });

    results([]);
    return {
      frame,
      results,
      async start() {
        try {
          const answer = await space.answered(options.server.kept({ token: options.token() }));
          if (answer.ok) shelf(answer);
        } catch (error) {
          kept.textContent = error.message;
        }
      },
    };
  };
})();
