/* The toolbar: brush, eraser, size, undo, clear, examples, upload, and their keys. Builds its own elements. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const SMALLEST = 1;
  const LARGEST = 160; // brush diameter, mask pixels
  const LARGEST_FILE = 64 * 2 ** 20;
  const ICONS = {
    brush: "M4 20c3 0 5-1 5-4a2.5 2.5 0 0 0-5 0c0 2-1 3-2 3 .5.7 1.2 1 2 1zM9.5 13.5 19 4l2 2-9 9.5",
    eraser: "M8 20h12M4.5 14.5 13 6l6 6-8 8H8l-3.500-3.500a1.400 1.400 0 0 1 0-2z",
    undo: "M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
    redo: "m15 14 5-5-5-5M20 9H10a6 6 0 0 0 0 12h3",
    clear: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
    upload: "M12 16V4M7 9l5-5 5 5M4 20h16",
  };

  class Tools {
    /**
     * @param {HTMLElement} element where everything goes
     * @param {Engine} engine
     * @param {{examples: Array<{name: string, runs: number[]}>, edited: () => void, upload: (file: File) => void}} host
     */
    constructor(element, engine, host) {
      this.engine = engine;
      this.host = host;
      this.erase = false;
      this.size = 36;
      element.innerHTML = "";
      this.bar = make("div", { class: "mc-bar", role: "toolbar", "aria-label": "Drawing tools" });
      this.canvas = make("canvas", {
        class: "mc-canvas",
        tabindex: "0",
        role: "img",
        "aria-label": "Drawing area. Draw the outline of the lesion with the pointer. " +
          "Keys: B brush, E eraser, [ and ] brush size, Ctrl+Z undo, Ctrl+Shift+Z redo.",
      });
      this.state = make("span", { class: "mc-state" });
      this.figures = make("span", { class: "mc-figures" });
      this.live = make("div", { class: "mc-live", role: "status", "aria-live": "polite" });
      const foot = make("div", { class: "mc-foot" }, this.state, this.figures);
      this.thumbs = make("div", { class: "mc-examples", role: "group", "aria-label": "Example outlines" });
      const frame = make("div", { class: "mc-frame" }, this.canvas);
      element.append(this.bar, frame, foot, this.live, this.thumbs);
      this.fillBar();
      this.examples(host.examples);
      this.canvas.addEventListener("keydown", (event) => this.key(event));
      this.canvas.addEventListener("keyup", (event) => {
        if (event.key === "Alt") event.preventDefault(); // erasing with Alt must not open the browser's menu
      });
      this.show();
    }

    fillBar() {
      this.brushButton = this.button("brush", "Brush", "Brush (B)", () => this.choose(false));
      this.eraserButton = this.button("eraser", "Eraser", "Eraser (E; also right button or Alt)", () =>
        this.choose(true)
      );
      this.slider = make("input", {
        type: "range", min: SMALLEST, max: LARGEST, step: 1, "aria-label": "Brush size in pixels", title: "Brush size ([ and ])",
      });
      this.slider.addEventListener("input", () => this.resize(Number(this.slider.value)));
      this.sizeText = make("output", { class: "mc-size" });
      this.undoButton = this.button("undo", "", "Undo (Ctrl+Z)", () => this.undo());
      this.redoButton = this.button("redo", "", "Redo (Ctrl+Shift+Z)", () => this.redo());
      this.clearButton = this.button("clear", "", "Clear the drawing (can be undone)", () => this.clear());
      const file = make("input", { type: "file", class: "mc-file", accept: "image/*", tabindex: "-1", "aria-label": "Mask file" });
      file.addEventListener("change", () => {
        const chosen = file.files[0];
        file.value = ""; // choosing the same file again is a new choice
        if (!chosen) return;
        if (chosen.size > LARGEST_FILE) {
          this.message(
            "bad",
            `${chosen.name} has ${Math.round(chosen.size / 2 ** 20)} MB; a mask may have at most 64 MB. ` +
              "Export it as a PNG. Your drawing is unchanged."
          );
        } else this.host.upload(chosen);
      });
      const upload = this.button("upload", "Open", "Open a mask picture from a file", () => file.click());
      const gap = () => make("span", { class: "mc-gap" });
      this.bar.append(
        this.brushButton, this.eraserButton, this.slider, this.sizeText, gap(),
        this.undoButton, this.redoButton, this.clearButton, upload, file
      );
    }

    button(icon, text, title, act) {
      const button = make("button", { type: "button", class: "mc-button mc-" + icon, title, "aria-label": title });
      button.innerHTML =
        `<svg viewBox="0 0 24 24" width="18" height="18" aria-hidden="true"><path d="${ICONS[icon]}"/></svg>`;
      if (text) button.append(make("span", {}, text));
      button.addEventListener("click", act);
      return button;
    }

    examples(list) {
      this.thumbs.replaceChildren(
        ...list.map((example) => {
          const raster = space.rasterOf(example.runs, this.engine.size);
          const title = "Use the example outline: " + example.name;
          const button = make("button", { type: "button", class: "mc-example", title, "aria-label": title });
          button.append(space.thumbnail(raster, this.engine.size, 112), make("span", {}, example.name));
          button.addEventListener("click", () => this.edit(() => this.engine.replace(raster), example.name));
          return button;
        })
      );
    }

    radius() {
      return this.size / 2;
    }

    choose(erase) {
      this.erase = erase;
      this.show();
      this.announce(erase ? "eraser" : "brush");
    }

    resize(size) {
      this.size = Math.min(LARGEST, Math.max(SMALLEST, Math.round(size)));
      this.show();
      this.announce(`${this.erase ? "eraser" : "brush"} ${this.size} pixels`);
    }

    undo() {
      this.edit(() => this.engine.undo(), "undone");
    }

    redo() {
      this.edit(() => this.engine.redo(), "redone");
    }

    clear() {
      this.edit(() => this.engine.clear(), "cleared");
    }

    /** Run an edit that answers whether it changed the mask; changes are saved, others leave no trace. */
    edit(act, word) {
      if (this.disabled || this.engine.drawing) return;
      const changed = act();
      if (changed) this.host.edited();
      this.show();
      if (changed) this.announce(`${word}; ${this.figures.textContent}`);
    }

    /** Keys work only while the drawing area has the focus, so that they never steal text typed elsewhere. */
    key(event) {
      const control = event.ctrlKey || event.metaKey;
      const key = event.key.toLowerCase();
      const acts = control
        ? { z: () => (event.shiftKey ? this.redo() : this.undo()), y: () => this.redo() }
        : {
            "[": () => this.resize(this.size - Math.max(1, this.size * 0.12)),
            "]": () => this.resize(this.size + Math.max(1, this.size * 0.12)),
            b: () => this.choose(false),
            e: () => this.choose(true),
          };
      if (!acts[key]) return;
      event.preventDefault();
      event.stopPropagation();
      acts[key]();
    }

    enable(on) {
      this.disabled = !on;
      this.show();
    }

    show() {
      const size = this.engine.size;
      const off = Boolean(this.disabled);
      this.brushButton.setAttribute("aria-pressed", String(!this.erase));
      this.eraserButton.setAttribute("aria-pressed", String(this.erase));
      this.slider.value = String(this.size);
      this.sizeText.textContent = this.size + " px";
      this.undoButton.disabled = off || !this.engine.undoDepth;
      this.redoButton.disabled = off || !this.engine.redoDepth;
      const area = this.engine.area();
      this.clearButton.disabled = off || !area;
      const part = ((100 * area) / (size * size)).toFixed(1);
      this.figures.textContent = area ? `lesion ${part} % of the picture` : "empty: normal mucosa will be made";
      if (this.redraw) this.redraw();
    }

    /** @param {"good"|"busy"|"bad"|"note"} kind */
    message(kind, text) {
      const mark = { good: "✓", busy: "…", bad: "!", note: "i" }[kind];
      this.state.dataset.kind = kind;
      this.state.textContent = `${mark} ${text}`;
      this.state.title = text;
      if (kind === "bad" || kind === "note") this.announce(text);
    }

    announce(text) {
      this.live.textContent = text;
    }
  }

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  space.Tools = Tools;
  space.make = make;
})();
