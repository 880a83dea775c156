/* The mask itself: a square of 0 and 1, drawn with hard edges, with undo. Knows no screen and no server.
   Classic script: everything hangs on window.SiameseMask. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const UNDO_LIMIT = 100; // one snapshot of 384 x 384 is 147 kB

  class Engine {
    /** @param {number} size side of the square in pixels */
    constructor(size) {
      this.size = size;
      this.raster = new Uint8Array(size * size);
      this.undoStack = [];
      this.redoStack = [];
      this.before = null; // snapshot taken at begin(), null while no stroke is open
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

    /** Lesion pixels. */
    area() {
      let count = 0;
      const raster = this.raster;
      for (let i = 0; i < raster.length; i++) count += raster[i];
      return count;
    }

    /** 32-bit FNV-1a over the raster's bytes, eight hex digits: equal rasters, equal strings. */
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
      this.undoStack.push(before);
      if (this.undoStack.length > UNDO_LIMIT) this.undoStack.shift();
      this.redoStack = [];
      return true;
    }

    /** Give every pixel whose centre lies within `radius` of the line from (x0, y0) to (x1, y1) the value 0 or 1.
        Coordinates are in pixels and may lie outside the square. */
    stroke(x0, y0, x1, y1, radius, value) {
      const size = this.size;
      const reach = Math.max(radius, 0.71); // a brush of one pixel always meets one pixel centre
      const left = Math.max(0, Math.floor(Math.min(x0, x1) - reach));
      const right = Math.min(size - 1, Math.ceil(Math.max(x0, x1) + reach));
      const top = Math.max(0, Math.floor(Math.min(y0, y1) - reach));
      const bottom = Math.min(size - 1, Math.ceil(Math.max(y0, y1) + reach));
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
          if (ex * ex + ey * ey <= reach2) this.raster[y * size + x] = value;
        }
      }
    }

    /** Replace the whole mask as one undoable edit. @returns {boolean} whether it changed */
    replace(raster) {
      this.begin();
      this.raster.set(raster);
      return this.end();
    }

    /** Show what the server holds: not an edit, nothing to undo. */
    reset(raster) {
      this.raster.set(raster);
      this.before = null;
      this.undoStack = [];
      this.redoStack = [];
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
      to.push(this.raster.slice());
      this.raster.set(from.pop());
      return true;
    }

    /** The raster as lengths of equal pixels in reading order, background first: [3, 2, 4] is 000110000. */
    runs() {
      const runs = [];
      let value = 0;
      let length = 0;
      for (let i = 0; i < this.raster.length; i++) {
        if (this.raster[i] === value) {
          length++;
        } else {
          runs.push(length);
          value = this.raster[i];
          length = 1;
        }
      }
      runs.push(length);
      return runs;
    }
  }

  function same(a, b) {
    for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
    return true;
  }

  /** The inverse of Engine.runs. @throws {RangeError} when the runs do not fill the square exactly */
  function rasterOf(runs, size) {
    const raster = new Uint8Array(size * size);
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

  space.Engine = Engine;
  space.rasterOf = rasterOf;
})();
