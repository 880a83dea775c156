/* The screen side of the mask: paints the raster, follows mouse, pen and finger. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const FILL = [86, 180, 233]; // sky blue, told apart from mucosa by every kind of colour vision

  class View {
    /**
     * @param {HTMLCanvasElement} canvas
     * @param {Engine} engine
     * @param {number[][]} field corners of the field of view, 0 to 1; none: the whole square
     * @param {{radius: () => number, erasing: () => boolean, stroke: () => void, moved: () => void}} tools
     */
    constructor(canvas, engine, field, tools) {
      this.field = field;
      this.canvas = canvas;
      this.engine = engine;
      this.tools = tools;
      this.pointer = null; // id of the pointer that draws
      this.value = 1;
      this.last = null; // where the open stroke is
      this.anchor = null; // where the last stroke ended, for Shift + click
      this.hover = null;
      this.locked = true; // until the stored mask has arrived
      this.frame = 0;
      this.sheet = document.createElement("canvas");
      this.sheet.width = this.sheet.height = engine.size;
      this.pixels = this.sheet.getContext("2d").createImageData(engine.size, engine.size);
      this.listen();
      new ResizeObserver(() => this.draw()).observe(canvas);
    }

    listen() {
      const canvas = this.canvas;
      canvas.addEventListener("pointerdown", (event) => this.down(event));
      canvas.addEventListener("pointermove", (event) => this.move(event));
      canvas.addEventListener("pointerup", (event) => this.up(event));
      canvas.addEventListener("pointercancel", (event) => this.up(event));
      canvas.addEventListener("lostpointercapture", (event) => this.up(event));
      canvas.addEventListener("pointerleave", () => this.leave());
      canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    }

    /** A pointer event in mask pixels; outside the canvas the numbers go on below 0 and above the size. */
    place(event) {
      const box = this.canvas.getBoundingClientRect();
      const size = this.engine.size;
      return {
        x: ((event.clientX - box.left) / box.width) * size,
        y: ((event.clientY - box.top) / box.height) * size,
      };
    }

    down(event) {
      const right = event.button === 2;
      const penEraser = event.button === 5;
      if (this.pointer !== null || this.locked || !(event.button === 0 || right || penEraser)) return;
      event.preventDefault();
      this.canvas.focus({ preventScroll: true });
      this.pointer = event.pointerId;
      this.canvas.setPointerCapture(event.pointerId);
      this.value = right || penEraser || event.altKey || this.tools.erasing() ? 0 : 1;
      const here = this.place(event);
      const from = event.shiftKey && this.anchor ? this.anchor : here;
      this.engine.begin();
      this.engine.stroke(from.x, from.y, here.x, here.y, this.tools.radius(), this.value);
      this.last = here;
      this.hover = here;
      this.draw();
    }

    move(event) {
      this.hover = this.place(event);
      if (event.pointerId === this.pointer) {
        const all = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
        for (const part of all.length ? all : [event]) {
          const here = this.place(part);
          this.engine.stroke(this.last.x, this.last.y, here.x, here.y, this.tools.radius(), this.value);
          this.last = here;
        }
        this.tools.moved();
      }
      this.draw();
    }

    up(event) {
      if (event.pointerId !== this.pointer) return;
      this.pointer = null;
      this.anchor = this.last;
      if (event.type === "pointerup") {
        const here = this.place(event);
        this.engine.stroke(this.last.x, this.last.y, here.x, here.y, this.tools.radius(), this.value);
        this.anchor = here;
      }
      if (event.pointerType !== "mouse") this.hover = null;
      if (this.engine.end()) this.tools.stroke();
      this.draw();
    }

    leave() {
      if (this.pointer === null) this.hover = null;
      this.draw();
    }

    /** Paint at the next frame; many calls cost one painting. */
    draw() {
      if (!this.frame)
        this.frame = requestAnimationFrame(() => {
          this.frame = 0;
          this.paint();
        });
    }

    paint() {
      const canvas = this.canvas;
      const ratio = window.devicePixelRatio || 1;
      const side = Math.round(canvas.clientWidth * ratio);
      if (!side) return;
      if (canvas.width !== side || canvas.height !== side) canvas.width = canvas.height = side;
      const ink = canvas.getContext("2d");
      const scale = side / this.engine.size;
      ink.setTransform(1, 0, 0, 1, 0, 0);
      ink.fillStyle = "#101010";
      ink.fillRect(0, 0, side, side);
      this.fieldOfView(ink, side, ratio);
      this.mask(ink, side);
      ink.setTransform(scale, 0, 0, scale, 0, 0);
      const outline = edges(this.engine);
      twoTone(ink, outline, ratio / scale);
      if (this.hover && !this.locked) {
        const ring = new Path2D();
        ring.arc(this.hover.x, this.hover.y, Math.max(this.tools.radius(), 0.71), 0, 2 * Math.PI);
        twoTone(ink, ring, (0.75 * ratio) / scale);
      }
    }

    fieldOfView(ink, side, ratio) {
      const inset = 1.5 * ratio;
      const inner = side - 2 * inset;
      const corners = this.field.length ? this.field : [[0, 0], [1, 0], [1, 1], [0, 1]];
      const field = new Path2D();
      for (const [x, y] of corners) field.lineTo(inset + x * inner, inset + y * inner);
      field.closePath();
      ink.fillStyle = "#303030";
      ink.fill(field);
      ink.setLineDash([6 * ratio, 5 * ratio]);
      ink.lineWidth = ratio;
      ink.strokeStyle = "#8c8c8c";
      ink.stroke(field);
      ink.setLineDash([]);
    }

    mask(ink, side) {
      const raster = this.engine.raster;
      const data = this.pixels.data;
      for (let i = 0, at = 0; i < raster.length; i++, at += 4) {
        data[at] = FILL[0];
        data[at + 1] = FILL[1];
        data[at + 2] = FILL[2];
        data[at + 3] = raster[i] ? 150 : 0;
      }
      this.sheet.getContext("2d").putImageData(this.pixels, 0, 0);
      ink.imageSmoothingEnabled = false;
      ink.drawImage(this.sheet, 0, 0, side, side);
    }
  }

  /** White on black: visible on any tissue and any grey. */
  function twoTone(ink, path, unit) {
    ink.strokeStyle = "#000";
    ink.lineWidth = 3 * unit;
    ink.stroke(path);
    ink.strokeStyle = "#fff";
    ink.lineWidth = 1.25 * unit;
    ink.stroke(path);
  }

  /** The borders between 0 and 1 as a path along pixel edges, in mask pixels. */
  function edges(engine) {
    const size = engine.size;
    const raster = engine.raster;
    const path = new Path2D();
    for (let y = 0; y <= size; y++) {
      let start = -1;
      for (let x = 0; x <= size; x++) {
        const above = y > 0 && x < size ? raster[(y - 1) * size + x] : 0;
        const below = y < size && x < size ? raster[y * size + x] : 0;
        if (above !== below) {
          if (start < 0) start = x;
        } else if (start >= 0) {
          path.moveTo(start, y);
          path.lineTo(x, y);
          start = -1;
        }
      }
    }
    for (let x = 0; x <= size; x++) {
      let start = -1;
      for (let y = 0; y <= size; y++) {
        const before = x > 0 && y < size ? raster[y * size + x - 1] : 0;
        const after = x < size && y < size ? raster[y * size + x] : 0;
        if (before !== after) {
          if (start < 0) start = y;
        } else if (start >= 0) {
          path.moveTo(x, start);
          path.lineTo(x, y);
          start = -1;
        }
      }
    }
    return path;
  }

  /** A small picture of a raster, for the example buttons. */
  function thumbnail(raster, size, side) {
    const sheet = document.createElement("canvas");
    sheet.width = sheet.height = size;
    const ink = sheet.getContext("2d");
    const pixels = ink.createImageData(size, size);
    for (let i = 0; i < raster.length; i++) {
      const on = raster[i];
      pixels.data[4 * i] = on ? FILL[0] : 42;
      pixels.data[4 * i + 1] = on ? FILL[1] : 42;
      pixels.data[4 * i + 2] = on ? FILL[2] : 42;
      pixels.data[4 * i + 3] = 255;
    }
    ink.putImageData(pixels, 0, 0);
    const small = document.createElement("canvas");
    small.width = small.height = side;
    small.getContext("2d").drawImage(sheet, 0, 0, side, side);
    return small;
  }

  space.View = View;
  space.thumbnail = thumbnail;
})();
