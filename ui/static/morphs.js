/* The tab "Reshape": changes of shape with a slider, live, and those that need one click. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});

  /* Each kind: sliders [name, label, low, high, start, step], and how a value becomes a raster.
     `prepare` runs once when the morph opens; what it returns is called at every move of a slider. */
  const KINDS = {
    grow: {
      label: "Grow / shrink",
      sliders: [["pixels", "pixels", -60, 60, 0, 1]],
      prepare: (base, w, h) => {
        const grown = space.morph.prepareGrow(base, w, h);
        return ({ pixels }) => grown(pixels);
      },
      word: "grown",
    },
    smooth: {
      label: "Smooth",
      sliders: [["radius", "radius", 0, 30, 0, 1]],
      prepare: (base, w, h) => ({ radius }) => space.morph.smooth(base, w, h, radius),
      word: "smoothed",
    },
    blend: {
      label: "A → B",
      sliders: [["t", "from A to B, %", 0, 100, 0, 1]],
      target: true,
      prepare: (base, w, h, target) => {
        const between = space.morph.prepareBlend(base, target, w, h);
        return ({ t }) => between(t / 100);
      },
      word: "blended",
    },
    elastic: {
      label: "Wobble",
      sliders: [["strength", "strength", 0, 40, 0, 1], ["seed", "number", 1, 99, 1, 1]],
      prepare: (base, w, h) => ({ strength, seed }) =>
        space.morph.elastic(base, w, h, { seed, strength, scale: Math.max(w, h) / 6 }),
      word: "wobbled",
    },
    islands: {
      label: "Islands",
      sliders: [["pixels", "smaller than, pixels", 0, 2000, 0, 10]],
      prepare: (base, w, h) => ({ pixels }) => space.morph.removeIslands(base, w, h, pixels),
      word: "islands removed",
    },
    box: {
      label: "Numbers",
      sliders: [
        ["dx", "right", -400, 400, 0, 1], ["dy", "down", -400, 400, 0, 1],
        ["scaleX", "width %", 5, 400, 100, 1], ["scaleY", "height %", 5, 400, 100, 1], ["degrees", "turn °", -180, 180, 0, 1],
      ],
      numbers: true,
      prepare: (base, w, h) => (v) =>
        space.morph.transform(base, w, h, {
          dx: v.dx, dy: v.dy, scaleX: v.scaleX / 100, scaleY: v.scaleY / 100, degrees: v.degrees,
        }),
      word: "moved",
    },
  };
  const CLICKS = [
    ["Fill holes", "fillHoles", [], "holes filled"],
    ["Largest", "keepLargest", [], "largest kept"],
    ["Invert", "invert", [], "inverted"],
    ["Flip ↔", "flip", ["horizontal"], "flipped"],
    ["Flip ↕", "flip", ["vertical"], "flipped"],
    ["Turn 90°", "rotate90", [], "turned"],
  ];

  class Morphs {
    /** @param {HTMLElement} element  @param {Desk} desk */
    constructor(element, desk) {
      const { make } = space;
      this.desk = desk;
      this.kind = null;
      this.target = null; // {title, raster, width, height} of "A → B"
      this.chips = make("div", { class: "mc-chips", role: "group", "aria-label": "Change of shape" });
      this.controls = make("div", { class: "mc-controls" });
      this.kinds = Object.entries(KINDS).map(([name, kind]) => {
        const chip = make("button", { type: "button", class: "mc-chip", "aria-pressed": "false" }, kind.label);
        chip.addEventListener("click", () => this.choose(this.kind === name ? null : name));
        this.chips.append(chip);
        return [name, chip];
      });
      for (const [label, operation, rest, word] of CLICKS) {
        const chip = make("button", { type: "button", class: "mc-chip" }, label);
        chip.addEventListener("click", () => {
          const { engine } = desk;
          desk.edit(() => engine.replace(space.morph[operation](engine.raster, engine.width, engine.height, ...rest)), word);
        });
        this.chips.append(chip);
      }
      element.append(this.chips, this.controls);
      this.choose(null);
    }

    choose(name) {
      if (this.desk.morph && this.desk.morph.owner === this) this.desk.apply();
      this.kind = name;
      for (const [own, chip] of this.kinds) chip.setAttribute("aria-pressed", String(own === name));
      this.build();
    }

    build() {
      const { make } = space;
      this.inputs = {};
      if (!this.kind) {
        const hint = "Choose a change above and move its slider; it is shown at once and waits for Apply or Cancel.";
        this.controls.replaceChildren(make("p", { class: "mc-hint" }, hint));
        return;
      }
      const kind = KINDS[this.kind];
      const rows = kind.sliders.map(([name, label, low, high, start, step]) => {
        const common = { min: low, max: high, step, value: start };
        const number = make("input", { type: "number", class: "mc-number", "aria-label": `${kind.label}: ${label}`, ...common });
        const parts = [make("span", {}, label)];
        if (!kind.numbers) {
          const slider = make("input", { type: "range", "aria-label": `${kind.label}, slider: ${label}`, ...common });
          slider.addEventListener("input", () => {
            number.value = slider.value;
            this.show();
          });
          number.addEventListener("input", () => (slider.value = number.value));
          parts.push(slider);
        }
        number.addEventListener("input", () => this.show());
        this.inputs[name] = number;
        return make("label", { class: "mc-slider" }, ...parts, number);
      });
      if (kind.target) {
        const words = this.target ? `B is “${this.target.title}”.` : "Choose B: the → B button of an outline in the tab Outlines.";
        rows.push(make("p", { class: "mc-hint" }, words));
      }
      this.controls.replaceChildren(...rows);
    }

    /** B for the morph from A to B. */
    aim(target) {
      this.target = target;
      this.choose("blend");
    }

    show() {
      const kind = KINDS[this.kind];
      const { desk } = this;
      const { engine } = desk;
      if (desk.disabled || engine.drawing || (kind.target && !this.target)) return;
      const values = {};
      for (const [name, label, low, high, start] of kind.sliders) {
        const value = this.inputs[name].value === "" ? start : Number(this.inputs[name].value);
        values[name] = Math.min(high, Math.max(low, value));
      }
      if (!desk.morph || desk.morph.owner !== this) {
        desk.apply();
        const base = engine.raster.slice();
        const { target } = this;
        const { width, height } = engine;
        const b = kind.target && space.resized(target.raster, target.width, target.height, width, height);
        this.shape = kind.prepare(base, width, height, b);
        desk.open(this, kind.word);
      }
      desk.preview(this.shape(values));
    }

    /** The desk applied or cancelled the morph: sliders go back to where nothing changes. */
    reset() {
      this.shape = null;
      this.build();
    }
  }

  space.Morphs = Morphs;
})();
