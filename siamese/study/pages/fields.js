/* The fields of the screen check: squares that differ little from their ground, each a bit more than the one before. */
(function () {
  "use strict";
  const space = (window.SiameseRating = window.SiameseRating || {});
  const grey = (value) => `rgb(${value} ${value} ${value})`;
  const red = (r, g, b) => `rgb(${r} ${g} ${b})`;

  /** Grounds and squares, faintest first; reds as mucosa has them, differing in green and blue. */
  space.FIELDS = {
    dark: { ground: grey(10), squares: [13, 16, 20, 25, 32, 42].map(grey) },
    light: { ground: grey(245), squares: [243, 240, 236, 231, 224, 214].map(grey) },
    red: { ground: red(170, 70, 60), squares: [2, 4, 6, 9, 13, 18].map((step) => red(170, 70 + step, 60 + step)) },
  };

  /** @param {"dark"|"light"|"red"} name @returns {HTMLCanvasElement} squares in places that change from time to time */
  space.field = function (name) {
    const { ground, squares } = space.FIELDS[name];
    const canvas = space.make("canvas", { class: "rt-field", width: 480, height: 160, "aria-hidden": "true" });
    const brush = canvas.getContext("2d", { alpha: false });
    brush.fillStyle = ground;
    brush.fillRect(0, 0, 480, 160);
    const cells = squares.map((_, i) => i).sort(() => Math.random() - 0.5);
    squares.forEach((colour, i) => {
      brush.fillStyle = colour;
      brush.fillRect(cells[i] * 80 + 20, 60, 40, 40);
    });
    return canvas;
  };

  /** The frame of a bank card (ISO/IEC 7810 ID-1: 85.60 × 53.98 mm), upright where the window is narrow. */
  space.Card = class {
    /** @param {object} words @param {number} pxPerCm where to begin */
    constructor(words, pxPerCm) {
      const { make } = space;
      this.upright = window.innerWidth < 560;
      this.across = this.upright ? 5.398 : 8.56; // cm
      this.down = this.upright ? 8.56 : 5.398;
      this.frame = make("div", { class: "rt-card", "aria-hidden": "true" });
      const most = Math.max(240, Math.floor(window.innerWidth * 0.95));
      this.slider = make("input", {
        type: "range", min: 120, max: most, step: 0.5, "aria-label": words.screen_card, id: "rt-card-width", input: () => this.show(),
      });
      this.slider.value = String(pxPerCm * this.across);
      const step = (by) => () => this.change(by);
      this.element = make(
        "div",
        { class: "rt-measure" },
        this.frame,
        make(
          "div",
          { class: "rt-acts" },
          make("button", { type: "button", class: "rt-button", id: "rt-smaller", click: step(-1) }, `− ${words.smaller}`),
          this.slider,
          make("button", { type: "button", class: "rt-button", id: "rt-larger", click: step(1) }, `+ ${words.larger}`)
        )
      );
      this.show();
    }

    /** @param {number} by CSS px of the frame's width */
    change(by) {
      this.slider.value = String(Number(this.slider.value) + by);
      this.show();
    }

    get pxPerCm() {
      return Number(this.slider.value) / this.across;
    }

    show() {
      this.frame.style.width = `${this.across * this.pxPerCm}px`;
      this.frame.style.height = `${this.down * this.pxPerCm}px`;
    }
  };
})();
