/* Pictures: fetched once under their tokens, the next ones beforehand, and drawn with one resampling at device pixels. */
(function () {
  "use strict";
  const space = (window.SiameseRating = window.SiameseRating || {});
  const GAP = 16; // CSS px between pictures
  const CAPTION = 30; // CSS px above each of several pictures

  /** Decoded pictures of the presentation shown, the one before (undo) and the one after. */
  space.Album = class {
    /** @param {{picture: (token: string) => Promise<ImageBitmap>}} door */
    constructor(door) {
      this.door = door;
      this.places = new Map();
    }

    /** Fetch what comes next; failing costs nothing but time later. */
    ahead(place, tokens) {
      if (!tokens.length || this.places.has(place)) return;
      this.keep(place, this.fetch(tokens)).catch(() => {});
    }

    /** @returns {Promise<ImageBitmap[]>} @throws {Refusal} then the state must be asked again: its tokens are used */
    async get(place, tokens) {
      for (const known of this.places.keys()) if (Math.abs(known - place) > 1) this.places.delete(known);
      if (this.places.has(place)) {
        try {
          return await this.places.get(place);
        } catch {
          /* the fresh tokens are for this */
        }
      }
      return this.keep(place, this.fetch(tokens));
    }

    keep(place, pictures) {
      this.places.set(place, pictures);
      pictures.catch(() => this.places.get(place) === pictures && this.places.delete(place));
      return pictures;
    }

    fetch(tokens) {
      return Promise.all(tokens.map((token) => this.door.picture(token)));
    }
  };

  /** The pictures of one presentation, side by side where they fit, all of one size. */
  space.Wall = class {
    /** @param {object} words @param {() => number} wanted width of a picture in CSS px @param {(position: number) => void} clicked */
    constructor(words, wanted, clicked) {
      this.words = words;
      this.wanted = wanted;
      this.clicked = clicked;
      this.element = space.make("div", { class: "rt-wall" });
      this.cells = [];
      this.outlined = true;
      this.size = null;
      new ResizeObserver(() => this.draw()).observe(this.element);
    }

    /** Show pictures. @param {ImageBitmap[]} bitmaps @param {ImageBitmap[]} outlines masks, or none @param {boolean} choose they can be clicked */
    hang(bitmaps, outlines, choose) {
      this.bare();
      this.cells = bitmaps.map((bitmap, i) => this.cell(bitmap, outlines[i], i, choose));
      this.element.append(...this.cells.map((cell) => cell.element));
      this.draw();
    }

    /** Nothing on the wall; the pictures of before must not stay while an answer is stored. */
    bare() {
      this.element.replaceChildren();
      this.cells = [];
      this.size = null;
    }

    cell(bitmap, mask, i, choose) {
      const { make } = space;
      const canvas = make("canvas", { role: "img", "aria-label": space.fill(this.words.picture, { number: i + 1 }) });
      const line = mask ? make("canvas", { class: "rt-outline", "aria-hidden": "true" }) : null;
      const mark = make("span", { class: "rt-mark" });
      const stack = make("span", { class: "rt-stack" }, canvas, ...(line ? [line] : []));
      const inside = choose ? [make("span", { class: "rt-caption" }, make("b", {}, String(i + 1)), mark), stack] : [stack];
      const element = choose
        ? make("button", { type: "button", class: "rt-cell", "data-position": i, click: (event) => event.detail < 2 && this.clicked(i) }, ...inside)
        : make("div", { class: "rt-cell" }, ...inside);
      return { element, canvas, line, mark, bitmap, mask, choose };
    }

    /** Rows and columns that make the pictures largest, one row first; the same size for all. */
    fit(count, above) {
      const { clientWidth: width, clientHeight: height } = this.element;
      let best = 0;
      for (let columns = count; columns >= 1; columns--) {
        const rows = Math.ceil(count / columns);
        const across = (width - (columns - 1) * GAP) / columns;
        const down = (height - (rows - 1) * GAP) / rows - above;
        const side = Math.min(this.wanted(), across, down);
        if (side > best * 1.02) best = side;
      }
      return Math.max(best, 16);
    }

    draw() {
      if (!this.cells.length || !this.element.clientWidth) return;
      const dpr = window.devicePixelRatio || 1;
      const pixels = Math.max(1, Math.floor(this.fit(this.cells.length, this.cells[0].choose ? CAPTION : 0) * dpr));
      const css = pixels / dpr;
      for (const cell of this.cells) {
        paint(cell.canvas, cell.bitmap, pixels, css);
        if (cell.line) trace(cell.line, cell.mask, pixels, css, dpr);
        cell.element.style.width = `${css}px`;
      }
      this.show();
      this.size = { css: [css, css], factor: css / this.cells[0].bitmap.width, dpr };
    }

    /** Outlines on or off. */
    toggle() {
      this.outlined = !this.outlined;
      this.show();
    }

    show() {
      for (const cell of this.cells) if (cell.line) cell.line.hidden = !this.outlined;
    }

    /** Ranks or nothing above the pictures. @param {number[]} order positions, best first */
    rank(order) {
      this.cells.forEach((cell, i) => {
        const rank = order.indexOf(i);
        cell.mark.textContent = rank < 0 ? "" : `#${rank + 1}`;
        cell.element.setAttribute("aria-pressed", String(rank >= 0));
      });
    }
  };

  /** From stored pixels to device pixels at once. */
  function paint(canvas, bitmap, pixels, css) {
    canvas.width = canvas.height = pixels;
    canvas.style.width = canvas.style.height = `${css}px`;
    const brush = canvas.getContext("2d", { alpha: false });
    brush.imageSmoothingEnabled = true;
    brush.imageSmoothingQuality = "high";
    brush.drawImage(bitmap, 0, 0, pixels, pixels);
  }

  /** The border of a mask: a white line, a black one outside of it, so that it shows on any tissue. */
  function trace(canvas, mask, pixels, css, dpr) {
    canvas.width = canvas.height = pixels;
    canvas.style.width = canvas.style.height = `${css}px`;
    const brush = canvas.getContext("2d", { willReadFrequently: true });
    brush.imageSmoothingQuality = "high";
    brush.drawImage(mask, 0, 0, pixels, pixels);
    const image = brush.getImageData(0, 0, pixels, pixels);
    const inside = new Uint8Array(pixels * pixels);
    for (let i = 0; i < inside.length; i++) inside[i] = image.data[4 * i] > 127 ? 1 : 0;
    const reach = Math.max(1, Math.round(1.25 * dpr));
    const line = new ImageData(pixels, pixels);
    const at = (x, y) => (x < 0 || y < 0 || x >= pixels || y >= pixels ? 0 : inside[y * pixels + x]);
    for (let y = 0; y < pixels; y++) {
      for (let x = 0; x < pixels; x++) {
        const own = at(x, y);
        if (own === at(x - reach, y) && own === at(x + reach, y) && own === at(x, y - reach) && own === at(x, y + reach)) continue;
        const i = 4 * (y * pixels + x);
        line.data[i] = line.data[i + 1] = line.data[i + 2] = own ? 255 : 0;
        line.data[i + 3] = 255;
      }
    }
    brush.putImageData(line, 0, 0);
  }
})();
