/* The pieces of a mask: its lesions and its holes, measured, kept, removed or filled.
   Pure functions on (raster, width, height, ...) as in morph.js; siamese/masks/pieces.py does the same.
   Classic script: everything hangs on window.SiameseMask.morph. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});

  /** Smallest box and centre of gravity of all lesion pixels, in pixels; null for an empty mask. */
  function extent(raster, width, height) {
    let [area, sumX, sumY] = [0, 0, 0];
    let [x0, y0, x1, y1] = [width, height, 0, 0];
    for (let y = 0, i = 0; y < height; y++)
      for (let x = 0; x < width; x++, i++)
        if (raster[i]) {
          area++;
          sumX += x;
          sumY += y;
          if (x < x0) x0 = x;
          if (x >= x1) x1 = x + 1;
          if (y < y0) y0 = y;
          y1 = y + 1;
        }
    return area ? { area, box: [x0, y0, x1, y1], centroid: [sumX / area + 0.5, sumY / area + 0.5] } : null;
  }

  /** Connected pieces of `value`, as runs of one row each.
      @param {number} reach 1: pixels that touch at a corner belong together (8 neighbours), 0: they do not (4) */
  function pieces(raster, width, height, value, reach) {
    const starts = [];
    const ends = [];
    const rows = [];
    const parents = [];
    const root = (k) => {
      while (parents[k] !== k) k = parents[k] = parents[parents[k]];
      return k;
    };
    let above = 0; // first run of the row above
    for (let y = 0, i = 0; y < height; y++) {
      let next = above; // first run of the row above that may still touch
      const first = starts.length;
      for (let x = 0; x < width; ) {
        while (x < width && raster[i] !== value) x++, i++;
        if (x >= width) break;
        const start = x;
        while (x < width && raster[i] === value) x++, i++;
        const k = starts.push(start) - 1;
        ends.push(x);
        rows.push(y);
        parents.push(k);
        while (next < first && ends[next] + reach <= start) next++;
        for (let n = next; n < first && starts[n] < x + reach; n++) {
          const [a, b] = [root(n), root(k)];
          parents[Math.max(a, b)] = Math.min(a, b); // the earliest run stays the root
        }
      }
      above = first;
    }
    const found = new Map();
    const labels = new Int32Array(starts.length);
    for (let k = 0; k < starts.length; k++) {
      const r = (labels[k] = root(k));
      const [length, start, end, y] = [ends[k] - starts[k], starts[k], ends[k], rows[k]];
      let p = found.get(r);
      if (!p) found.set(r, (p = { root: r, area: 0, sumX: 0, sumY: 0, box: [start, y, end, y + 1] }));
      p.area += length;
      p.sumX += (length * (start + end - 1)) / 2;
      p.sumY += length * y;
      p.box = [Math.min(p.box[0], start), p.box[1], Math.max(p.box[2], end), y + 1];
    }
    const list = [...found.values()].sort((a, b) => b.area - a.area || a.root - b.root);
    /** A raster with the pieces for which `wanted` is true, on top of `base`. */
    const paint = (wanted, base) => {
      const painted = base ? base.slice() : new Uint8Array(raster.length);
      const roots = new Set(list.filter(wanted).map((p) => p.root));
      for (let k = 0; k < starts.length; k++)
        if (roots.has(labels[k])) painted.fill(1, rows[k] * width + starts[k], rows[k] * width + ends[k]);
      return painted;
    };
    return { list, paint };
  }

  /** Lesions (8 neighbours), largest first, equal ones in reading order.
      @returns {{label: number, area: number, box: number[], centroid: number[]}[]} label 1, 2, ...; area in pixels;
        box [x0, y0, x1, y1] with x1, y1 just outside; centroid [x, y] */
  function components(raster, width, height) {
    return pieces(raster, width, height, 1, 1).list.map(({ area, box, sumX, sumY }, k) => ({
      label: k + 1,
      area,
      box,
      centroid: [sumX / area + 0.5, sumY / area + 0.5],
    }));
  }

  /** Only the largest lesion; of equal ones the first in reading order. */
  function keepLargest(raster, width, height) {
    const found = pieces(raster, width, height, 1, 1);
    return found.paint((p) => p === found.list[0]);
  }

  /** Only the lesions whose place in `components` (from 0) passes. */
  function keepWhere(raster, width, height, passes) {
    const found = pieces(raster, width, height, 1, 1);
    return found.paint((p) => passes(found.list.indexOf(p)));
  }

  /** Without the lesions that have fewer than `minPixels` pixels. */
  function removeIslands(raster, width, height, minPixels) {
    return pieces(raster, width, height, 1, 1).paint((p) => p.area >= minPixels);
  }

  /** Background that does not reach the picture's border (4 neighbours) becomes lesion. */
  function fillHoles(raster, width, height) {
    const enclosed = ({ box: [x0, y0, x1, y1] }) => x0 > 0 && y0 > 0 && x1 < width && y1 < height;
    return pieces(raster, width, height, 0, 0).paint(enclosed, raster);
  }

  space.morph = Object.assign(space.morph || {}, {
    extent,
    components,
    keepLargest,
    keepWhere,
    removeIslands,
    fillHoles,
  });
})();
