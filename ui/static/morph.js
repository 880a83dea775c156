/* Morphs of a mask as a whole: growing by distance, smoothing, moving, turning, blending one into another.
   Pure functions on (raster, width, height, ...): a Uint8Array of 0 and 1 in reading order goes in, a new one comes
   out; pixel (x, y) covers x..x+1, y..y+1. siamese/masks/shape.py does the same arithmetic in the same order.
   Classic script: everything hangs on window.SiameseMask.morph. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const NEVER = 2 ** 30; // squared distance to pixels that do not exist
  const UNSEEN = 30000; // rows to a pixel that is not in the column; its square fits 32 bits

  /** Squared distance, in pixels, of every pixel to the nearest pixel of `value`; NEVER where there is none.
      Felzenszwalb and Huttenlocher, Distance Transforms of Sampled Functions (2012). */
  function squaredDistance(raster, width, height, value) {
    const size = width * height;
    const rows = new Int32Array(size); // to the nearest such pixel in the same column
    for (let i = 0; i < size; i++)
      rows[i] = raster[i] === value ? 0 : i < width ? UNSEEN : Math.min(UNSEEN, rows[i - width] + 1);
    for (let i = size - width - 1; i >= 0; i--) if (rows[i] > rows[i + width] + 1) rows[i] = rows[i + width] + 1;
    const squares = new Int32Array(size);
    const lows = new Int32Array(width); // columns of the parabolas in the lower envelope
    const heights = new Float64Array(width); // of those parabolas at column 0: row distance² + column²
    const starts = new Float64Array(width + 1); // where each begins to be the lowest
    for (let y = 0, row = 0; y < height; y++, row += width) {
      let last = -1;
      for (let x = 0; x < width; x++) {
        const down = rows[row + x];
        if (down >= UNSEEN) continue;
        const at = down * down + x * x;
        let start = -Infinity;
        while (last >= 0) {
          start = (at - heights[last]) / (2 * (x - lows[last]));
          if (start > starts[last]) break;
          last--;
        }
        last++;
        lows[last] = x;
        heights[last] = at;
        starts[last] = last ? start : -Infinity;
      }
      if (last < 0) {
        squares.fill(NEVER, row, row + width);
        continue;
      }
      starts[last + 1] = Infinity;
      for (let x = 0, k = 0; x < width; x++) {
        while (starts[k + 1] < x) k++;
        squares[row + x] = x * x - 2 * x * lows[k] + heights[k];
      }
    }
    return squares;
  }

  /** Squared distance to the nearest pixel of the other value, negative inside. */
  function signedSquares(raster, width, height) {
    const outside = squaredDistance(raster, width, height, 1);
    const inside = squaredDistance(raster, width, height, 0);
    for (let i = 0; i < outside.length; i++) if (raster[i]) outside[i] = -inside[i];
    return outside;
  }

  /** Exact Euclidean distance to the mask's edge in pixels, negative inside, 0 on the edge between two pixels.
      @returns {Float32Array} an empty mask is width + height away everywhere, a full one minus that */
  function signedDistance(raster, width, height) {
    const squares = signedSquares(raster, width, height);
    const far = width + height;
    const distance = new Float32Array(squares.length);
    for (let i = 0; i < squares.length; i++) {
      const s = squares[i];
      const length = Math.abs(s) >= NEVER ? far : Math.sqrt(Math.abs(s)) - 0.5;
      distance[i] = s < 0 ? -length : length;
    }
    return distance;
  }

  /** @returns {(pixels: number) => Uint8Array} the mask grown by `pixels`, or shrunk where that is negative */
  function prepareGrow(raster, width, height) {
    const squares = signedSquares(raster, width, height);
    return (pixels) => {
      const limit = pixels >= 0 ? (pixels + 0.5) ** 2 : -((0.5 - pixels) ** 2);
      const grown = new Uint8Array(squares.length);
      for (let i = 0; i < grown.length; i++) grown[i] = squares[i] <= limit ? 1 : 0;
      return grown;
    };
  }

  /** Every edge moved outwards by `pixels` (-200..200); the picture's border is no edge. */
  function grow(raster, width, height, pixels) {
    return prepareGrow(raster, width, height)(pixels);
  }

  /** Three box means of `radius` (0..40 whole pixels) and a threshold at a half: corners and thin parts go. */
  function smooth(raster, width, height, radius) {
    const r = Math.round(radius);
    if (r <= 0 || !raster.length) return raster.slice();
    let from = new Float64Array(raster); // sums, not means: whole numbers below 2^39, hence exact
    let to = new Float64Array(raster.length);
    const line = new Float64Array(width);
    for (let y = 0; y < height; y++) {
      const row = from.subarray(y * width, (y + 1) * width);
      for (let pass = 0; pass < 3; pass++) {
        line.set(row);
        let sum = 0;
        for (let k = -r; k <= r; k++) sum += line[clamp(k, width)];
        for (let x = 0; x < width; x++) {
          row[x] = sum;
          sum += line[Math.min(x + r + 1, width - 1)] - line[Math.max(x - r, 0)];
        }
      }
    }
    for (let pass = 0; pass < 3; pass++) {
      line.fill(0);
      for (let k = -r; k <= r; k++)
        for (let x = 0, at = clamp(k, height) * width; x < width; x++, at++) line[x] += from[at];
      for (let y = 0; y < height; y++) {
        const out = y * width;
        const enter = Math.min(y + r + 1, height - 1) * width;
        const leave = Math.max(y - r, 0) * width;
        for (let x = 0; x < width; x++) {
          to[out + x] = line[x];
          line[x] += from[enter + x] - from[leave + x];
        }
      }
      [from, to] = [to, from];
    }
    const half = (2 * r + 1) ** 6 / 2;
    const smoothed = new Uint8Array(raster.length);
    for (let i = 0; i < raster.length; i++) smoothed[i] = from[i] >= half ? 1 : 0;
    return smoothed;
  }

  function clamp(index, length) {
    return Math.min(Math.max(index, 0), length - 1);
  }

  /** Cosine and sine, rounded so that quarter turns are exact and every machine gets the same numbers. */
  function direction(radians) {
    const round = (v) => Math.floor(v * 1e12 + 0.5) / 1e12;
    return [round(Math.cos(radians)), round(Math.sin(radians))];
  }

  /** Scale, then turn (clockwise), about the middle of the mask's box, then move; nearest pixel.
      @param {{dx?: number, dy?: number, scaleX?: number, scaleY?: number, degrees?: number}} parameters
        pixels, factors above 0, degrees; what leaves the canvas is cut off */
  function transform(raster, width, height, { dx = 0, dy = 0, scaleX = 1, scaleY = 1, degrees = 0 }) {
    const found = space.morph.extent(raster, width, height);
    const moved = new Uint8Array(raster.length);
    if (!found) return moved;
    const [x0, y0, x1, y1] = found.box;
    const [middleX, middleY] = [(x0 + x1) / 2, (y0 + y1) / 2];
    const [cos, sin] = direction((degrees * Math.PI) / 180);
    for (let y = 0, i = 0; y < height; y++) {
      const v = y + 0.5 - (middleY + dy);
      for (let x = 0; x < width; x++, i++) {
        const u = x + 0.5 - (middleX + dx);
        const fromX = Math.floor((cos * u + sin * v) / scaleX + middleX);
        const fromY = Math.floor((cos * v - sin * u) / scaleY + middleY);
        if (fromX >= x0 && fromX < x1 && fromY >= y0 && fromY < y1) moved[i] = raster[fromY * width + fromX];
      }
    }
    return moved;
  }

  /** @returns {(t: number) => Uint8Array} `blend` of a and b for one t after the other */
  function prepareBlend(a, b, width, height) {
    const [extentA, extentB] = [a, b].map((raster) => space.morph.extent(raster, width, height));
    const [distanceA, distanceB] = [a, b].map((raster) => signedDistance(raster, width, height));
    return (t) => {
      if (t <= 0 || (!extentA && !extentB)) return a.slice();
      if (t >= 1) return b.slice();
      if (!extentB) return shrunk(distanceA, t);
      if (!extentA) return shrunk(distanceB, 1 - t);
      const [travelX, travelY] = [0, 1].map((k) => extentB.centroid[k] - extentA.centroid[k]);
      const readA = shifted(distanceA, width, height, t * travelX, t * travelY);
      const readB = shifted(distanceB, width, height, (t - 1) * travelX, (t - 1) * travelY);
      const [rowA, rowB] = [new Float64Array(width), new Float64Array(width)];
      const mixed = new Uint8Array(a.length);
      for (let y = 0, i = 0; y < height; y++) {
        readA(y, rowA);
        readB(y, rowB);
        for (let x = 0; x < width; x++, i++) if ((1 - t) * rowA[x] + t * rowB[x] < 0) mixed[i] = 1;
      }
      return mixed;
    };
  }

  /** From mask a (t = 0, exactly) to mask b (t = 1, exactly): the signed distances are mixed, both shapes moved to
      the centroid in between, so that a lesion travels; from or to an empty mask it grows or shrinks. */
  function blend(a, b, width, height, t) {
    return prepareBlend(a, b, width, height)(t);
  }

  /** Edge moved inwards by the part t of the greatest depth. */
  function shrunk(distance, t) {
    let deepest = 0;
    for (let i = 0; i < distance.length; i++) if (distance[i] < deepest) deepest = distance[i];
    const left = new Uint8Array(distance.length);
    for (let i = 0; i < distance.length; i++) left[i] = distance[i] < t * deepest ? 1 : 0;
    return left;
  }

  /** Reads rows of distances moved by (dx, dy), bilinear; beyond the canvas the way back to it is added. */
  function shifted(distance, width, height, dx, dy) {
    const [columns, nextColumns] = [new Int32Array(width), new Int32Array(width)];
    const [parts, beyond] = [new Float64Array(width), new Float64Array(width)];
    for (let x = 0; x < width; x++) {
      const at = x - dx;
      const inside = Math.min(Math.max(at, 0), width - 1);
      columns[x] = Math.floor(inside);
      nextColumns[x] = Math.min(columns[x] + 1, width - 1);
      parts[x] = inside - columns[x];
      beyond[x] = (at - inside) * (at - inside);
    }
    return (y, row) => {
      const at = y - dy;
      const inside = Math.min(Math.max(at, 0), height - 1);
      const upper = Math.floor(inside);
      const part = inside - upper;
      const below = (at - inside) * (at - inside);
      const [top, bottom] = [upper * width, Math.min(upper + 1, height - 1) * width];
      for (let x = 0; x < width; x++) {
        const [c, n, p] = [columns[x], nextColumns[x], parts[x]];
        const high = (1 - p) * distance[top + c] + p * distance[top + n];
        const low = (1 - p) * distance[bottom + c] + p * distance[bottom + n];
        row[x] = (1 - part) * high + part * low + Math.sqrt(beyond[x] + below);
      }
    };
  }

  /** Lesion becomes background and background lesion. */
  function invert(raster) {
    const inverted = new Uint8Array(raster.length);
    for (let i = 0; i < raster.length; i++) inverted[i] = 1 - raster[i];
    return inverted;
  }

  /** @param {"horizontal" | "vertical"} way left and right swapped, or top and bottom */
  function flip(raster, width, height, way) {
    const flipped = new Uint8Array(raster.length);
    for (let y = 0, i = 0; y < height; y++)
      for (let x = 0; x < width; x++, i++)
        flipped[i] = raster[way === "vertical" ? (height - 1 - y) * width + x : y * width + width - 1 - x];
    return flipped;
  }

  /** A quarter turn clockwise about the middle of the picture, whose size stays; what leaves it is cut off. */
  function rotate90(raster, width, height) {
    const turned = new Uint8Array(raster.length);
    for (let y = 0, i = 0; y < height; y++) {
      const fromX = Math.floor(y + 0.5 + (width - height) / 2);
      if (fromX < 0 || fromX >= width) {
        i += width;
        continue;
      }
      for (let x = 0; x < width; x++, i++) {
        const fromY = Math.floor((width + height) / 2 - x - 0.5);
        if (fromY >= 0 && fromY < height) turned[i] = raster[fromY * width + fromX];
      }
    }
    return turned;
  }

  space.morph = Object.assign(space.morph || {}, {
    signedDistance,
    prepareGrow,
    grow,
    smooth,
    direction,
    transform,
    prepareBlend,
    blend,
    invert,
    flip,
    rotate90,
  });
})();
