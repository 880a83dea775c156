/* The screen side of the mask: zoom and pan, painting, and the way of mouse, pen, finger and keys to the active tool. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const FILL = [86, 180, 233]; // sky blue, told apart from mucosa by every kind of colour vision
  const LARGEST_ZOOM = 16; // screen pixels a mask pixel
  const CLICK = 4; // CSS pixels a pointer may move and still have clicked

  class View {
    /**
     * @param {HTMLCanvasElement} canvas
     * @param {Engine} engine
     * @param {number[][]} field corners of the field of view, 0 to 1; none: the whole square
     * @param {{tool: () => object, looked: () => void}} host the active tool; called when the zoom changed
     */
    constructor(canvas, engine, field, host) {
      this.canvas = canvas;
      this.engine = engine;
      this.field = field;
      this.host = host;
      this.background = null; // an image of exactly the mask's size, or none
      this.opacity = 0.55;
      this.outlineOnly = false;
      this.hidden = false; // while a key is held
      this.zoom = null; // screen pixels a mask pixel; null: fit
      this.centre = null; // mask place in the middle of the canvas while zoomed
      this.pointer = null; // id of the pointer that draws
      this.sticky = false; // a click took hold; the next one lets go (no dragging needed)
      this.panning = null;
      this.spaceHeld = false;
      this.hover = null; // where the pointer or the keys are, mask pixels
      this.keyed = false; // the place was reached by keys: shown as a cross
      this.locked = true; // until the stored mask has arrived
      this.frame = 0;
      this.painted = -1; // version of the mask on the sheet
      this.sheet = document.createElement("canvas");
      this.listen();
      new ResizeObserver(() => this.draw()).observe(canvas);
    }

    listen() {
      const canvas = this.canvas;
      canvas.addEventListener("pointerdown", (event) => this.down(event));
      canvas.addEventListener("pointermove", (event) => this.move(event));
      for (const name of ["pointerup", "pointercancel", "lostpointercapture"])
        canvas.addEventListener(name, (event) => this.up(event));
      canvas.addEventListener("pointerleave", () => this.leave());
      canvas.addEventListener("contextmenu", (event) => event.preventDefault());
      canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
      canvas.addEventListener("blur", () => {
        this.spaceHeld = this.hidden = this.keyed = false;
        this.draw();
      });
    }

    /** Screen pixels a mask pixel at which the whole mask fits. */
    fitting() {
      const ratio = window.devicePixelRatio || 1;
      const { clientWidth, clientHeight } = this.canvas;
      return ratio * Math.min(clientWidth / this.engine.width, clientHeight / this.engine.height) || 1;
    }

    /** Where the mask lies: screen pixels = mask pixels * scale + offset. */
    frameOf() {
      const ratio = window.devicePixelRatio || 1;
      const wide = Math.round(this.canvas.clientWidth * ratio);
      const high = Math.round(this.canvas.clientHeight * ratio);
      const scale = this.zoom === null ? this.fitting() : this.zoom;
      const { width, height } = this.engine;
      const centre = (this.zoom !== null && this.centre) || { x: width / 2, y: height / 2 };
      return { ratio, wide, high, scale, left: wide / 2 - centre.x * scale, top: high / 2 - centre.y * scale };
    }

    /** Zoom so that the mask place under a screen place stays there.
        @param {number|null} zoom screen pixels a mask pixel; null: fit  @param {{x: number, y: number}} [at] mask pixels */
    zoomTo(zoom, at) {
      const { width, height } = this.engine;
      if (zoom === null) this.zoom = this.centre = null;
      else {
        const old = this.frameOf();
        const fixed = at || this.hover || this.centre || { x: width / 2, y: height / 2 };
        const screen = { x: fixed.x * old.scale + old.left, y: fixed.y * old.scale + old.top };
        this.zoom = Math.min(LARGEST_ZOOM, Math.max(0.1, zoom));
        this.centre = {
          x: fixed.x - (screen.x - old.wide / 2) / this.zoom,
          y: fixed.y - (screen.y - old.high / 2) / this.zoom,
        };
        this.keepInside();
      }
      this.host.looked();
      this.draw();
    }

    /** Pan by mask pixels. */
    pan(dx, dy) {
      if (this.zoom === null) return;
      this.centre = { x: this.centre.x + dx, y: this.centre.y + dy };
      this.keepInside();
      this.draw();
    }

    keepInside() {
      this.centre.x = Math.min(this.engine.width, Math.max(0, this.centre.x));
      this.centre.y = Math.min(this.engine.height, Math.max(0, this.centre.y));
    }

    wheel(event) {
      event.preventDefault();
      const tool = this.host.tool();
      if ((event.altKey || event.shiftKey) && tool.sized) {
        tool.resize((event.deltaY || event.deltaX) < 0 ? 1 : -1);
        return;
      }
      const scale = this.frameOf().scale;
      const next = scale * Math.exp(-Math.sign(event.deltaY) * Math.min(0.3, Math.abs(event.deltaY) / 400));
      const fit = this.fitting();
      this.zoomTo(next <= fit * 1.02 && event.deltaY > 0 ? null : next, this.place(event));
    }

    /** A pointer event in mask pixels; outside the mask the numbers go on below 0 and above its size. */
    place(event) {
      const box = this.canvas.getBoundingClientRect();
      const { wide, high, scale, left, top } = this.frameOf();
      return {
        x: (((event.clientX - box.left) / box.width) * wide - left) / scale,
        y: (((event.clientY - box.top) / box.height) * high - top) / scale,
      };
    }

    down(event) {
      const middle = event.button === 1;
      const right = event.button === 2;
      const penEraser = event.button === 5;
      if (!(event.button === 0 || middle || right || penEraser)) return;
      event.preventDefault();
      this.canvas.focus({ preventScroll: true });
      if (this.pointer !== null || this.panning) return;
      if (middle || this.spaceHeld) {
        this.panning = { id: event.pointerId, x: event.clientX, y: event.clientY };
        this.canvas.setPointerCapture(event.pointerId);
        return;
      }
      if (this.locked) return;
      this.keyed = false;
      const here = this.place(event);
      this.hover = here;
      if (this.sticky) {
        this.letGo(here);
        return;
      }
      this.pointer = event.pointerId;
      this.start = { x: event.clientX, y: event.clientY };
      this.canvas.setPointerCapture(event.pointerId);
      this.host.tool().down(here, { erase: right || penEraser || event.altKey, shift: event.shiftKey, scale: this.css() });
      this.draw();
    }

    move(event) {
      if (this.panning) {
        if (event.pointerId !== this.panning.id) return;
        const { scale, ratio } = this.frameOf();
        this.pan(((this.panning.x - event.clientX) * ratio) / scale, ((this.panning.y - event.clientY) * ratio) / scale);
        this.panning = { id: event.pointerId, x: event.clientX, y: event.clientY };
        return;
      }
      this.keyed = false;
      this.hover = this.place(event);
      if (event.pointerId === this.pointer || this.sticky) {
        const all = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
        for (const part of all.length ? all : [event])
          this.host.tool().move(this.place(part), { shift: event.shiftKey, alt: event.altKey });
      }
      this.draw();
    }

    up(event) {
      if (this.panning && event.pointerId === this.panning.id) this.panning = null;
      if (event.pointerId !== this.pointer) return;
      this.pointer = null;
      const here = event.type === "pointerup" ? this.place(event) : this.hover;
      const still = Math.hypot(event.clientX - this.start.x, event.clientY - this.start.y) < CLICK;
      if (event.type === "pointerup" && still && this.host.tool().sticky) this.sticky = true;
      else this.host.tool().up(here);
      if (event.pointerType !== "mouse") this.hover = null;
      this.draw();
    }

    /** End of what a click began. */
    letGo(here) {
      this.sticky = false;
      this.host.tool().move(here, {});
      this.host.tool().up(here);
      this.draw();
    }

    /** Whatever the pointer holds is dropped without effect; true when there was something. */
    drop() {
      const held = this.sticky || this.pointer !== null;
      this.sticky = false;
      this.pointer = null;
      if (held) this.host.tool().cancel();
      this.draw();
      return held;
    }

    leave() {
      if (this.pointer === null && !this.sticky) this.hover = null;
      this.draw();
    }

    /** Move the cross of the keys by mask pixels. */
    step(dx, dy) {
      const { width, height } = this.engine;
      const from = this.hover || { x: width / 2, y: height / 2 };
      this.hover = {
        x: Math.min(width, Math.max(0, from.x + dx)),
        y: Math.min(height, Math.max(0, from.y + dy)),
      };
      this.keyed = true;
      if (this.sticky) this.host.tool().move(this.hover, {});
      this.draw();
      return this.hover;
    }

    /** What a click at the cross does. */
    press(shift) {
      if (this.locked) return;
      const here = this.hover || this.step(0, 0);
      this.keyed = true;
      if (this.sticky) this.letGo(here);
      else {
        this.host.tool().down(here, { erase: false, shift, scale: this.css() });
        if (this.host.tool().sticky) this.sticky = true;
        else this.host.tool().up(here);
      }
      this.draw();
    }

    /** Mask pixels a CSS pixel. */
    css() {
      const { ratio, scale } = this.frameOf();
      return ratio / scale;
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
      const { ratio, wide, high, scale, left, top } = this.frameOf();
      if (!wide || !high) return;
      if (canvas.width !== wide || canvas.height !== high) {
        canvas.width = wide;
        canvas.height = high;
      }
      const ink = canvas.getContext("2d");
      ink.setTransform(1, 0, 0, 1, 0, 0);
      ink.fillStyle = "#101010";
      ink.fillRect(0, 0, wide, high);
      const { width, height } = this.engine;
      const area = [left, top, width * scale, height * scale];
      const fits = this.background && this.background.width === width && this.background.height === height;
      ink.imageSmoothingEnabled = scale < 2;
      if (fits) ink.drawImage(this.background, ...area);
      else this.fieldOfView(ink, area, ratio);
      this.refresh();
      if (!this.hidden) {
        ink.imageSmoothingEnabled = false;
        ink.globalAlpha = this.opacity;
        if (!this.outlineOnly) ink.drawImage(this.sheet, ...area);
        ink.globalAlpha = 1;
      }
      ink.setTransform(scale, 0, 0, scale, left, top);
      const unit = ratio / scale;
      if (!this.hidden) twoTone(ink, this.edges, unit);
      const tool = this.host.tool();
      if (!this.locked) tool.paint(ink, unit, this.hover);
      if (this.keyed && this.hover) cross(ink, this.hover, unit);
      this.shown = { scale, fits: Boolean(fits) };
    }

    fieldOfView(ink, [left, top, wide, high], ratio) {
      const inset = 1.5 * ratio;
      const corners = this.field.length ? this.field : [[0, 0], [1, 0], [1, 1], [0, 1]];
      const field = new Path2D();
      for (const [x, y] of corners)
        field.lineTo(left + inset + x * (wide - 2 * inset), top + inset + y * (high - 2 * inset));
      field.closePath();
      ink.fillStyle = "#303030";
      ink.fill(field);
      ink.setLineDash([6 * ratio, 5 * ratio]);
      ink.lineWidth = ratio;
      ink.strokeStyle = "#8c8c8c";
      ink.stroke(field);
      ink.setLineDash([]);
    }

    /** The mask as a picture and its outline as a path, made anew only when it changed. */
    refresh() {
      const { width, height, visible, version } = this.engine;
      if (this.painted === version && this.sheet.width === width && this.sheet.height === height) return;
      if (!this.pixels || this.pixels.width !== width || this.pixels.height !== height) {
        this.sheet.width = width;
        this.sheet.height = height;
        this.pixels = this.sheet.getContext("2d").createImageData(width, height);
        this.words = new Uint32Array(this.pixels.data.buffer);
      }
      const on = (255 << 24) | (FILL[2] << 16) | (FILL[1] << 8) | FILL[0];
      for (let i = 0; i < visible.length; i++) this.words[i] = visible[i] ? on : 0;
      this.sheet.getContext("2d").putImageData(this.pixels, 0, 0);
      this.edges = space.edges(visible, width, height);
      this.painted = version;
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

  function cross(ink, { x, y }, unit) {
    const path = new Path2D();
    for (const [dx, dy] of [[1, 0], [0, 1]]) {
      path.moveTo(x - 10 * unit * dx, y - 10 * unit * dy);
      path.lineTo(x + 10 * unit * dx, y + 10 * unit * dy);
    }
    twoTone(ink, path, unit);
  }

  space.View = View;
  space.FILL = FILL;
  space.twoTone = twoTone;
})();
