/* What stands around the canvas: the toolbar above it, the line below it, and the bar of an open morph. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const ICONS = {
    brush: "M4 20c3 0 5-1 5-4a2.5 2.5 0 0 0-5 0c0 2-1 3-2 3 .5.7 1.2 1 2 1zM9.5 13.5 19 4l2 2-9 9.5",
    eraser: "M8 20h12M4.5 14.5 13 6l6 6-8 8H8l-3.500-3.500a1.400 1.400 0 0 1 0-2z",
    lasso: "M7 15c-3-1-4.500-3-4-5.500C4 6 8 4 13 4s8.500 2.500 8 6-5 5.500-10 5c-1.500 0-3 .5-3 2s1.500 2 1 4",
    polygon: "M12 3 21 10 17.500 20.500H6.500L3 10z",
    ellipse: "M21 12c0 3.300-4 6-9 6s-9-2.700-9-6 4-6 9-6 9 2.700 9 6z",
    box: "M5 5h14v14H5zM3 3h4v4H3zM17 3h4v4h-4zM3 17h4v4H3zM17 17h4v4h-4z",
    contour: "M6 8c3-5 10-4 12 0s1 9-4 10-11-3-8-10zM4 6h4v4H4zM16 6h4v4h-4zM12 16h4v4h-4z",
    push: "M3 12h11M10 8l4 4-4 4M20 4c-3 5-3 11 0 16",
    undo: "M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
    redo: "m15 14 5-5-5-5M20 9H10a6 6 0 0 0 0 12h3",
    clear: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
    help: "M9 9a3 3 0 1 1 4.500 2.600c-1 .6-1.500 1.200-1.500 2.400M12 18v.5",
  };
  const TITLES = {
    brush: "Brush (B)",
    eraser: "Eraser (E; with any tool also right button or Alt)",
    lasso: "Lasso: draw around and it is filled (L)",
    polygon: "Polygon: corner by corner (P)",
    ellipse: "Ellipse (O)",
    box: "Move, scale, rotate (T)",
    contour: "Twelve handles on the outline (C)",
    push: "Push the outline (W)",
  };
  const ZOOMS = [["Fit", null], ["100 %", 1], ["200 %", 2], ["400 %", 4]];
  const LABEL =
    "Drawing area. Draw the outline of the lesion with the pointer, or move the cross with the arrow keys and press Enter. " +
    "Press ? for all keys.";

  class Tools {
    /**
     * @param {HTMLElement} element where everything goes
     * @param {Desk} desk
     * @param {{help: () => void}} host
     */
    constructor(element, desk, host) {
      const make = space.make;
      this.desk = desk;
      element.innerHTML = "";
      this.bar = make("div", { class: "mc-bar", role: "toolbar", "aria-label": "Drawing tools" });
      this.canvas = make("canvas", { class: "mc-canvas", tabindex: "0", role: "img", "aria-label": LABEL });
      this.state = make("span", { class: "mc-state" });
      this.figures = make("span", { class: "mc-figures" });
      this.live = make("div", { class: "mc-live", role: "status", "aria-live": "polite" });
      this.warning = make("div", { class: "mc-warning", role: "note" });
      this.warning.hidden = true;
      this.zooms = make("span", { class: "mc-zooms", role: "group", "aria-label": "Zoom" });
      this.morphBar = make("div", { class: "mc-morph", role: "group", "aria-label": "Open change of shape" });
      this.frame = make("div", { class: "mc-frame" }, this.canvas, this.morphBar, this.warning);
      const foot = make("div", { class: "mc-foot" }, this.state, this.figures);
      element.append(this.bar, this.frame, foot, this.live);
      this.fill(host);
    }

    fill(host) {
      const { make } = space;
      const [smallest, largest] = space.BRUSH;
      this.buttons = {};
      for (const name of Object.keys(TITLES)) {
        this.buttons[name] = button(name, TITLES[name], () => this.desk.choose(name));
        this.bar.append(this.buttons[name]);
      }
      this.slider = make("input", {
        type: "range", min: smallest, max: largest, step: 1, "aria-label": "Brush size in pixels", title: "Brush size ([ and ], or Shift and the wheel)",
      });
      this.slider.addEventListener("input", () => this.desk.resize(Number(this.slider.value)));
      this.sizeText = make("output", { class: "mc-size" });
      this.undo = button("undo", "Undo (Ctrl+Z)", () => this.desk.undo());
      this.redo = button("redo", "Redo (Ctrl+Shift+Z)", () => this.desk.redo());
      this.clear = button("clear", "Clear the drawing (can be undone)", () => this.desk.clear());
      this.bar.append(
        this.slider, this.sizeText, make("span", { class: "mc-gap" }), this.undo, this.redo, this.clear,
        button("help", "Keys and how to draw without dragging (?)", host.help)
      );
      this.zoomButtons = ZOOMS.map(([name, value]) => {
        const found = make("button", { type: "button", class: "mc-zoom", "aria-label": `Zoom ${name}` }, name.replace(" %", ""));
        found.addEventListener("click", () => this.zoom(value));
        return [found, value];
      });
      this.zoomText = make("span", { class: "mc-scale" });
      this.zooms.append(...this.zoomButtons.map(([found]) => found), this.zoomText);
      const apply = make("button", { type: "button", class: "mc-button mc-apply", "aria-label": "Apply the change of shape (Enter)" }, "Apply");
      const cancel = make("button", { type: "button", class: "mc-button mc-cancel", "aria-label": "Cancel the change of shape (Escape)" }, "Cancel");
      for (const [pressed, act] of [[apply, () => this.desk.apply()], [cancel, () => this.desk.cancel()]])
        pressed.addEventListener("click", () => {
          act();
          this.canvas.focus({ preventScroll: true }); // the button is gone now
        });
      this.morphBar.append(make("span", {}, "Not applied yet"), apply, cancel);
    }

    /** Zoom by name: screen pixels a mask pixel, null for fit. */
    zoom(value) {
      const { width, height } = this.desk.engine;
      this.view.zoomTo(value, value === null || this.view.zoom !== null ? undefined : { x: width / 2, y: height / 2 });
    }

    show() {
      const { desk } = this;
      const { engine } = desk;
      const off = desk.disabled;
      for (const [name, found] of Object.entries(this.buttons)) {
        found.setAttribute("aria-pressed", String(name === desk.active));
        found.disabled = off;
      }
      this.slider.value = String(desk.size);
      this.slider.disabled = !desk.tool.sized;
      this.sizeText.textContent = desk.tool.sized ? desk.size + " px" : "";
      this.undo.disabled = off || !(engine.undoDepth || desk.morph || desk.tool.open);
      this.redo.disabled = off || !engine.redoDepth;
      const figures = space.figures(engine);
      this.clear.disabled = off || !engine.area();
      this.morphBar.hidden = !desk.morph;
      this.figures.textContent = figures;
    }

    /** The zoom in words. */
    looked() {
      const { width, height } = this.desk.engine;
      const { scale } = this.view.frameOf();
      this.zoomText.textContent = `${width}×${height} · ${Math.round(100 * scale)} %`;
      for (const [found, value] of this.zoomButtons)
        found.setAttribute("aria-pressed", String(this.view.zoom === value));
    }

    /** @param {"good"|"busy"|"bad"|"note"} kind */
    message(kind, text) {
      const mark = { good: "✓", busy: "…", bad: "!", note: "i" }[kind];
      this.state.dataset.kind = kind;
      this.state.textContent = `${mark} ${text}`;
      this.state.title = text;
      if (kind === "bad" || kind === "note") this.announce(text);
    }

    /** Sentences about a mask unlike those the model learnt from. */
    warn(sentences) {
      const text = sentences.join(" ");
      if (text && text !== this.warning.dataset.text) this.announce(text);
      this.warning.dataset.text = text;
      this.warning.hidden = !text;
      this.warning.textContent = text ? `⚠ ${text}` : "";
    }

    announce(text) {
      this.live.textContent = text;
    }
  }

  function button(icon, title, act) {
    const found = space.make("button", { type: "button", class: "mc-button mc-" + icon, title, "aria-label": title });
    found.innerHTML =
      `<svg viewBox="0 0 24 24" width="18" height="18" aria-hidden="true"><path d="${ICONS[icon]}"/></svg>`;
    found.addEventListener("click", act);
    return found;
  }

  space.Tools = Tools;
})();
