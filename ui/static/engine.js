/* The mask itself: a rectangle of 0 and 1, drawn with hard edges, with undo. Knows no screen and no server.
   Classic script: everything hangs on window.SiameseMask. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});

  class Engine {
    /** @param {number} width pixels @param {number} height pixels; left out: a square */
    constructor(width, height) {
      this.width = width;
      this.height = height || width;
      this.raster = new Uint8Array(this.width * this.height);
      this.preview = null; // an open morph shows this; the raster stays the truth until it is applied
      this.version = 0; // counts every change of what is visible
      this.undoStack = [];
      this.redoStack = [];
      this.before = null; // taken at begin(), null while no stroke is open
    }

    /** What the screen shows: an open morph, else the mask. */
    get visible() {
      return this.preview || this.raster;
    }

    get drawing() {
      return this.before !== null;
    }

    get undoDepth() {
      return this.undoStack.length;
    }

    get redoDepth() {
      return this.redoStack.length;
    }

    /** Lesion pixels of what is visible. */
    area() {
      let count = 0;
      const raster = this.visible;
      for (let i = 0; i < raster.length; i++) count += raster[i];
      return count;
    }

    /** 32-bit FNV-1a over the mask's bytes, eight hex digits: equal masks of one size, equal strings. */
    hash() {
      let hash = 0x811c9dc5;
      const raster = this.raster;
      for (let i = 0; i < raster.length; i++) hash = Math.imul(hash ^ raster[i], 0x01000193);
      return (hash >>> 0).toString(16).padStart(8, "0");
    }

    /** Open an undoable edit. */
    begin() {
      if (!this.before) this.before = this.raster.slice();
    }

    /** Close the edit; an edit that changed nothing leaves no trace. @returns {boolean} whether it changed */
    end() {
      const before = this.before;
      this.before = null;
      if (!before || same(before, this.raster)) return false;
      this.remember(before, this.width, this.height);
      return true;
    }

    /** Close the edit and take it back. */
    abandon() {
      if (this.before) this.raster.set(this.before);
      this.before = null;
      this.version++;
    }

    remember(raster, width, height) {
      this.undoStack.push({ width, height, runs: runsOf(raster) });
      this.redoStack = [];
      this.version++;
    }

    /** Give every pixel whose centre lies within `radius` of the line from (x0, y0) to (x1, y1) the value 0 or 1.
        Coordinates are in pixels and may lie outside the mask. */
    stroke(x0, y0, x1, y1, radius, value) {
      const reach = Math.max(radius, 0.71); // a brush of one pixel always meets one pixel centre
      const left = Math.max(0, Math.floor(Math.min(x0, x1) - reach));
      const right = Math.min(this.width - 1, Math.ceil(Math.max(x0, x1) + reach));
      const top = Math.max(0, Math.floor(Math.min(y0, y1) - reach));
      const bottom = Math.min(this.height - 1, Math.ceil(Math.max(y0, y1) + reach));
      const dx = x1 - x0;
      const dy = y1 - y0;
      const length2 = dx * dx + dy * dy;
      const reach2 = reach * reach;
      for (let y = top; y <= bottom; y++) {
        for (let x = left; x <= right; x++) {
          const px = x + 0.5 - x0;
          const py = y + 0.5 - y0;
          const along = length2 ? Math.min(1, Math.max(0, (px * dx + py * dy) / length2)) : 0;
          const ex = px - along * dx;
          const ey = py - along * dy;
          if (ex * ex + ey * ey <= reach2) this.raster[y * this.width + x] = value;
        }
      }
      this.version++;
    }

    /** Give every pixel whose centre lies inside a closed polygon (even-odd rule) the value 0 or 1.
        @param {number[][]} corners [x, y] in pixels; may lie outside the mask */
    polygon(corners, value) {
      const crossings = [];
      for (let y = 0; y < this.height; y++) {
        const middle = y + 0.5;
        crossings.length = 0;
        for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
          const [x0, y0] = corners[j];
          const [x1, y1] = corners[i];
          if (y0 <= middle !== y1 <= middle) crossings.push(x0 + ((middle - y0) * (x1 - x0)) / (y1 - y0));
        }
        crossings.sort((a, b) => a - b);
        for (let k = 0; k + 1 < crossings.length; k += 2) {
          const from = Math.max(0, Math.ceil(crossings[k] - 0.5));
          const to = Math.min(this.width, Math.ceil(crossings[k + 1] - 0.5));
          if (to > from) this.raster.fill(value, y * this.width + from, y * this.width + to);
        }
      }
      this.version++;
    }

    /** Show a morph that is not applied yet; null: none. */
    show(preview) {
      this.preview = preview;
      this.version++;
    }

    /** Replace the whole mask, also by one of another size, as one undoable edit. @returns {boolean} whether it changed */
    replace(raster, width = this.width, height = this.height) {
      this.preview = null;
      this.version++;
      if (width === this.width && height === this.height) {
        this.begin();
        this.raster.set(raster);
        return this.end();
      }
      this.remember(this.raster, this.width, this.height);
      this.take(raster.slice(), width, height);
      return true;
    }

    /** Show what the server holds: not an edit, nothing to undo. */
    reset(raster, width = this.width, height = this.height) {
      this.take(raster.slice(), width, height);
      this.before = null;
      this.undoStack = [];
      this.redoStack = [];
    }

    take(raster, width, height) {
      this.raster = raster;
      this.width = width;
      this.height = height;
      this.preview = null;
      this.version++;
    }

    clear() {
      return this.replace(new Uint8Array(this.raster.length));
    }

    undo() {
      return this.travel(this.undoStack, this.redoStack);
    }

    redo() {
      return this.travel(this.redoStack, this.undoStack);
    }

    travel(from, to) {
      if (this.drawing || !from.length) return false;
      to.push({ width: this.width, height: this.height, runs: runsOf(this.raster) });
      const { width, height, runs } = from.pop();
      this.take(rasterOf(runs, width, height), width, height);
      return true;
    }

    /** The mask as lengths of equal pixels in reading order, background first: [3, 2, 4] is 000110000. */
    runs() {
      return Array.from(runsOf(this.raster));
    }
  }

  function same(a, b) {
    for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
    return true;
  }

  /** Run lengths of a raster, background first, as Uint32Array: a snapshot of some kB instead of the pixels. */
  function runsOf(raster) {
    const runs = [];
    let value = 0;
    let length = 0;
    for (let i = 0; i < raster.length; i++) {
      if (raster[i] === value) {
        length++;
      } else {
        runs.push(length);
        value = raster[i];
        length = 1;
      }
    }
    runs.push(length);
    return Uint32Array.from(runs);
  }

  /** The inverse of runs. @throws {RangeError} when the runs do not fill the rectangle exactly */
  function rasterOf(runs, width, height = width) {
    const raster = new Uint8Array(width * height);
    let at = 0;
    runs.forEach((length, index) => {
      if (!Number.isInteger(length) || length < 0 || at + length > raster.length)
        throw new RangeError("the outline does not fit the canvas");
      if (index % 2) raster.fill(1, at, at + length);
      at += length;
    });
    if (at !== raster.length) throw new RangeError("the outline does not fill the canvas");
    return raster;
  }

  /** A raster at another size, nearest pixel. */
  function resized(raster, width, height, newWidth, newHeight) {
    if (width === newWidth && height === newHeight) return raster;
    const result = new Uint8Array(newWidth * newHeight);
    for (let y = 0; y < newHeight; y++) {
      const row = Math.floor(((y + 0.5) * height) / newHeight) * width;
      for (let x = 0; x < newWidth; x++)
        result[y * newWidth + x] = raster[row + Math.floor(((x + 0.5) * width) / newWidth)];
    }
    return result;
  }

  space.Engine = Engine;
  space.rasterOf = rasterOf;
  space.runsOf = runsOf;
  space.resized = resized;
})();
