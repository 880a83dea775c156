/* Two pictures compared: side by side, slider, flicker, difference; one zoom and place for both. Base pixels and
   outline are separate canvases, so that an outline never changes a picture. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const MODES = { side: "Side by side", slider: "Slider", flicker: "Flicker", difference: "Difference" };
  const GAIN = 4; // of the difference
  const BEAT = 500; // ms a picture stays while flickering: two changes a second at most
  const LARGEST = 16;

  class Compare {
    /** @param {HTMLElement} element @param {object} panel see picture.js */
    constructor(element, panel) {
      this.element = element;
      this.panel = panel;
      this.sides = [null, null]; // {pixels: canvas, caption, outline}
      this.mode = "side";
      this.zoom = 1;
      this.x = this.y = 0.5; // place in the middle of every pane, 0..1 of the picture
      this.split = 0.5;
      this.turn = 0; // which picture flicker shows
      this.beating = false;
      this.timer = 0;
      this.outlined = false;
      this.build();
      new ResizeObserver(() => this.draw()).observe(element);
    }

    build() {
      const make = space.make;
      const button = (text, title, act, more) => space.panelButton(text, title, act, more);
      this.modes = make("div", { class: "cp-bar", role: "group", "aria-label": "How to compare" });
      for (const [name, text] of Object.entries(MODES))
        this.modes.append(button(text, text, () => this.choose(name), { "data-mode": name }));
      this.panes = [0, 1].map(() => {
        const base = make("canvas", { class: "cp-base" });
        const over = make("canvas", { class: "cp-over" });
        const name = make("span", { class: "cp-name" });
        const frame = make("div", { class: "cp-pane" }, base, over, name);
        return { base, over, name, frame };
      });
      this.area = make("div", { class: "cp-area", tabindex: "0", role: "img" }, ...this.panes.map((pane) => pane.frame));
      this.slider = make("input", { type: "range", min: 0, max: 100, step: 1, value: 50, class: "cp-slider", "aria-label": "Where picture A ends and picture B begins, percent" });
      this.slider.addEventListener("input", () => {
        this.split = Number(this.slider.value) / 100;
        this.draw();
      });
      this.flip = button("Start flicker", "Start or stop the flicker (F)", () => this.flicker(), { id: "flicker" });
      this.outline = button("Outline", "Outline on or off (O)", () => this.toggle(), { id: "compare-outline", "aria-pressed": "false" });
      this.words = make("span", { class: "cp-words", role: "status" });
      this.swap = button("A ⇄ B", "Swap A and B", () => this.set_([this.sides[1], this.sides[0]]));
      const look = make("div", { class: "cp-bar" });
      look.append(
        this.outline, this.swap, this.flip, this.slider, this.words, make("span", { class: "mc-gap" }),
        button("−", "Smaller", () => this.scale(1 / 1.5)), button("+", "Larger", () => this.scale(1.5)), button("Fit", "Fit the whole picture", () => this.fit())
      );
      this.element.append(this.modes, this.area, look);
      this.element.addEventListener("keydown", (event) => this.key(event));
      this.area.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
      this.area.addEventListener("pointerdown", (event) => this.grab(event));
      this.area.addEventListener("pointermove", (event) => this.drag(event));
    }

    /** @param {{id?: string, png?: string, caption?: string}} a @param b as a; with `id` from the gallery */
    async set(a, b) {
      try {
        this.set_(await Promise.all([this.side(a), this.side(b)]));
      } catch (error) {
        this.panel.say(error.message);
      }
    }

    async side({ id, png, caption }) {
      const found = id ? await this.panel.fetched(id) : { png, caption };
      const image = new Image();
      image.src = "data:image/png;base64," + found.png;
      await image.decode();
      const pixels = document.createElement("canvas");
      pixels.width = image.naturalWidth;
      pixels.height = image.naturalHeight;
      pixels.getContext("2d", { willReadFrequently: true }).drawImage(image, 0, 0);
      return { id, pixels, caption: found.caption, outline: null };
    }

    set_(sides) {
      this.sides = sides;
      this.difference = null;
      this.fit();
      this.choose(this.mode);
      this.outlines();
    }

    visible(yes) {
      if (!yes) this.beat(false);
      else this.draw();
    }

    choose(mode) {
      this.mode = mode;
      this.beat(false);
      this.turn = 0;
      for (const button of this.modes.children) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
      this.panes[1].frame.hidden = mode !== "side";
      this.slider.hidden = mode !== "slider";
      this.flip.hidden = mode !== "flicker";
      this.words.hidden = mode !== "difference";
      if (mode === "difference") this.subtract();
      this.draw();
    }

    /** The grey picture of |A - B| times 4, and its mean in words. */
    subtract() {
      const [a, b] = this.sides.map((side) => side && side.pixels);
      this.words.textContent = "";
      if (!a || !b || this.difference) return this.tell();
      if (a.width !== b.width || a.height !== b.height) {
        this.words.textContent = `Sizes differ: ${a.width}×${a.height} and ${b.width}×${b.height}.`;
        return undefined;
      }
      const [one, two] = [a, b].map((canvas) => canvas.getContext("2d").getImageData(0, 0, a.width, a.height).data);
      const pixels = new ImageData(a.width, a.height);
      let sum = 0;
      for (let i = 0; i < one.length; i += 4) {
        const apart = (Math.abs(one[i] - two[i]) + Math.abs(one[i + 1] - two[i + 1]) + Math.abs(one[i + 2] - two[i + 2])) / 3;
        sum += apart;
        pixels.data[i] = pixels.data[i + 1] = pixels.data[i + 2] = Math.min(255, Math.round(GAIN * apart));
        pixels.data[i + 3] = 255;
      }
      const canvas = document.createElement("canvas");
      canvas.width = a.width;
      canvas.height = a.height;
      canvas.getContext("2d").putImageData(pixels, 0, 0);
      this.difference = { canvas, mean: sum / (one.length / 4) };
      return this.tell();
    }

    tell() {
      if (!this.difference) return;
      const mean = this.difference.mean;
      this.words.textContent = mean ? `${mean.toFixed(1)} of 255 apart on average; shown ×${GAIN}` : "Identical, pixel for pixel.";
    }

    /** What each pane shows: pictures, and where the second one begins. */
    shown() {
      const [a, b] = this.sides;
      if (this.mode === "side") return [[a], [b]];
      if (this.mode === "slider") return [[a, b]];
      if (this.mode === "flicker") return [[this.sides[this.turn]]];
      return [[this.difference && { ...a, pixels: this.difference.canvas, caption: "difference of A and B" }]];
    }

    draw() {
      if (this.element.hidden || !this.sides[0] || !this.sides[1]) return;
      const data = this.element.dataset;
      Object.assign(data, { mode: this.mode, zoom: this.zoom.toFixed(3), x: this.x.toFixed(4), y: this.y.toFixed(4), shown: "AB"[this.turn] });
      const both = { side: "A and B side by side", slider: "A left, B right of the slider", flicker: `picture ${"AB"[this.turn]}`, difference: "difference of A and B" };
      this.area.setAttribute("aria-label", `Comparison: ${both[this.mode]}. Arrow keys move, plus and minus zoom.`);
      this.shown().forEach((pictures, i) => this.pane(this.panes[i], pictures, i));
    }

    pane({ base, over, name, frame }, pictures, index) {
      const ratio = window.devicePixelRatio || 1;
      const width = Math.round(frame.clientWidth * ratio);
      const height = Math.round(frame.clientHeight * ratio);
      for (const canvas of [base, over])
        if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      const ink = base.getContext("2d");
      const line = over.getContext("2d");
      ink.clearRect(0, 0, width, height);
      line.clearRect(0, 0, width, height);
      if (!width || !pictures[0]) return;
      const cut = Math.round(width * this.split);
      pictures.forEach((picture, i) => {
        const { pixels, outline } = picture;
        const scale = Math.min(width / this.sides[0].pixels.width, height / this.sides[0].pixels.height) * this.zoom;
        const across = this.sides[0].pixels.width * scale;
        const down = this.sides[0].pixels.height * scale;
        const left = width / 2 - this.x * across;
        const top = height / 2 - this.y * down;
        const box = new Path2D();
        if (i) box.rect(cut, 0, width - cut, height);
        else box.rect(0, 0, pictures.length > 1 ? cut : width, height);
        ink.save();
        ink.clip(box);
        ink.imageSmoothingEnabled = scale < 2;
        ink.drawImage(pixels, left, top, across, down);
        ink.restore();
        if (!this.outlined || !outline) return;
        line.save();
        line.clip(box);
        line.translate(left, top);
        line.scale(across / outline.width, down / outline.height);
        const unit = (ratio * outline.width) / across;
        for (const [colour, wide] of [["#000", 3], ["#fff", 1.25]]) {
          line.strokeStyle = colour;
          line.lineWidth = wide * unit;
          line.stroke(outline.path);
        }
        line.restore();
      });
      if (pictures.length > 1) {
        line.fillStyle = "#fff";
        line.fillRect(cut - ratio, 0, 2 * ratio, height);
      }
      const letter = { side: "AB"[index], slider: "A | B", flicker: "AB"[this.turn], difference: "" }[this.mode];
      name.textContent = pictures.length > 1 ? `A: ${pictures[0].caption}  |  B: ${pictures[1].caption}` : `${letter} ${pictures[0].caption}`.trim();
    }

    async outlines() {
      if (!this.outlined) return;
      for (const side of this.sides.filter((one) => one && one.id && !one.outline)) {
        try {
          const { width, height, runs } = await this.panel.ask("outline", { id: side.id });
          side.outline = { width, height, path: space.edges(space.rasterOf(runs, width, height), width, height) };
        } catch (error) {
          this.panel.say(error.message);
        }
      }
      this.draw();
    }

    toggle() {
      this.outlined = !this.outlined;
      this.outline.setAttribute("aria-pressed", String(this.outlined));
      this.draw();
      this.outlines();
    }

    /** A press starts or stops the change of pictures; where movement is unwanted each press changes once. */
    flicker() {
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) this.change();
      else this.beat(!this.beating);
    }

    change() {
      this.turn = 1 - this.turn;
      this.draw();
    }

    beat(on) {
      clearInterval(this.timer);
      this.beating = on;
      if (on) {
        this.change();
        this.timer = setInterval(() => this.change(), BEAT);
      }
      this.flip.textContent = on ? "Stop flicker" : "Start flicker";
      this.element.dataset.beating = String(on);
    }

    fit() {
      this.zoom = 1;
      this.x = this.y = 0.5;
      this.draw();
    }

    /** Zoom so that the place (x, y), 0..1 of the pane around its middle, stays where it is. */
    scale(by, dx = 0, dy = 0) {
      const zoom = Math.min(LARGEST, Math.max(1, this.zoom * by));
      this.x += dx / this.zoom - dx / zoom;
      this.y += dy / this.zoom - dy / zoom;
      this.zoom = zoom;
      this.move(0, 0);
    }

    move(dx, dy) {
      const inside = (value) => Math.min(1, Math.max(0, value));
      this.x = this.zoom === 1 ? 0.5 : inside(this.x + dx / this.zoom);
      this.y = this.zoom === 1 ? 0.5 : inside(this.y + dy / this.zoom);
      this.draw();
    }

    side_(event) {
      const panes = this.panes.filter((pane) => !pane.frame.hidden).map((pane) => pane.frame.getBoundingClientRect());
      const box = panes.find((one) => event.clientX <= one.right) || panes[panes.length - 1];
      return { box, size: Math.min(box.width, box.height) };
    }

    wheel(event) {
      event.preventDefault();
      const { box, size } = this.side_(event);
      const dx = (event.clientX - box.left - box.width / 2) / size;
      const dy = (event.clientY - box.top - box.height / 2) / size;
      this.scale(event.deltaY < 0 ? 1.2 : 1 / 1.2, dx, dy);
    }

    grab(event) {
      this.area.setPointerCapture(event.pointerId);
      this.held = { x: event.clientX, y: event.clientY, size: this.side_(event).size };
    }

    drag(event) {
      if (!event.buttons || !this.held) return;
      const { x, y, size } = this.held;
      this.move((x - event.clientX) / size, (y - event.clientY) / size);
      this.held = { x: event.clientX, y: event.clientY, size };
    }

    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target === this.slider) return;
      const pan = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[event.key];
      const slide = this.mode === "slider" && this.zoom === 1 && pan && pan[0];
      const keys = { "+": () => this.scale(1.5), "-": () => this.scale(1 / 1.5), 0: () => this.fit(), o: () => this.toggle() };
      if (this.mode === "flicker") keys.f = () => this.flicker();
      let act = keys[event.key.toLowerCase()] || (pan && (() => this.move(...pan)));
      if (slide) act = () => this.slide(slide > 0 ? 2 : -2);
      if (!act) return;
      event.preventDefault();
      act();
    }

    slide(by) {
      this.slider.value = String(Number(this.slider.value) + by);
      this.split = Number(this.slider.value) / 100;
      this.draw();
    }
  }

  space.Compare = Compare;
})();
