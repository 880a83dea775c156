/* Warps: masks seen through a smooth displacement. Push brush, twelve handles, elastic jitter.
   Where a pixel comes from is computed, never where it goes: a warp of pixel centres in which each reads the mask,
   as it was at the beginning, at its own place plus a displacement. siamese/masks/warp.py does the same arithmetic.
   Classic script: everything hangs on window.SiameseMask.morph. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const HOLD = 0.02; // weight of staying in place, against handles of weight 1 at their own place
  const ROUNDS = 50; // of the iteration that lets every handle get its own move exactly

  /** Bilinear value of a field at pixel coordinates (0 is the centre of the first pixel), border values continued. */
  function read(field, width, height, x, y) {
    const atX = Math.min(Math.max(x, 0), width - 1);
    const atY = Math.min(Math.max(y, 0), height - 1);
    const left = Math.floor(atX);
    const upper = Math.floor(atY);
    const top = upper * width + left;
    const bottom = upper + 1 < height ? top + width : top;
    const next = left + 1 < width ? 1 : 0;
    const p = atX - left;
    const q = atY - upper;
    const high = (1 - p) * field[top] + p * field[top + next];
    const low = (1 - p) * field[bottom] + p * field[bottom + next];
    return (1 - q) * high + q * low;
  }

  /** One drag of the push brush: displacements add up and the mask is read once, so that its edge does not fray. */
  class Push {
    /** @param {number} radius reach of the brush in pixels; half of the push is left at 0.54 of it */
    constructor(raster, width, height, radius) {
      Object.assign(this, { width, height, radius, source: raster.slice(), result: raster.slice() });
      this.x = new Float32Array(raster.length);
      this.y = new Float32Array(raster.length);
    }

    /** Push what lies at (x, y) to (x + dx, y + dy), pixels; what is around it follows less and less. */
    move(x, y, dx, dy) {
      const steps = Math.ceil((3 * Math.sqrt(dx * dx + dy * dy)) / this.radius); // a longer one would fold
      for (let k = 1; k <= steps; k++)
        this.step(x + (dx * k) / steps, y + (dy * k) / steps, dx / steps, dy / steps);
    }

    step(x, y, dx, dy) {
      const { width, height, radius } = this;
      const left = Math.max(0, Math.floor(x - radius));
      const right = Math.min(width, Math.ceil(x + radius));
      const top = Math.max(0, Math.floor(y - radius));
      const bottom = Math.min(height, Math.ceil(y + radius));
      if (left >= right || top >= bottom) return;
      const newX = new Float32Array((right - left) * (bottom - top));
      const newY = new Float32Array(newX.length);
      for (let row = top, k = 0; row < bottom; row++) {
        const v = row + 0.5 - y;
        for (let column = left; column < right; column++, k++) {
          const u = column + 0.5 - x;
          const rest = Math.max(0, 1 - (u * u + v * v) / (radius * radius));
          const weight = rest * rest;
          const fromX = column - weight * dx;
          const fromY = row - weight * dy;
          newX[k] = read(this.x, width, height, fromX, fromY) - weight * dx;
          newY[k] = read(this.y, width, height, fromX, fromY) - weight * dy;
        }
      }
      for (let row = top, k = 0; row < bottom; row++)
        for (let column = left; column < right; column++, k++) {
          const i = row * width + column;
          this.x[i] = newX[k];
          this.y[i] = newY[k];
          this.result[i] = read(this.source, width, height, column + newX[k], row + newY[k]) >= 0.5 ? 1 : 0;
        }
    }

    /** The mask as it is pushed now. */
    raster() {
      return this.result.slice();
    }
  }

  /** A single push. @param {{x: number, y: number, dx: number, dy: number, radius: number}} step pixels */
  function pushStep(raster, width, height, { x, y, dx, dy, radius }) {
    const push = new Push(raster, width, height, radius);
    push.move(x, y, dx, dy);
    return push.raster();
  }

  /** Points on the outline of the largest lesion at equal angles around its centroid, the first to the right, then
      clockwise: the farthest on each ray, or, where a ray misses, the one nearest to its direction.
      @returns {number[][]} [x, y] in pixels, at most `count`: of several within a pixel one; [] for an empty mask */
  function handles(raster, width, height, count = 12) {
    const [largest] = space.morph.components(raster, width, height);
    if (!largest) return [];
    const lesion = space.morph.keepLargest(raster, width, height);
    const [middleX, middleY] = largest.centroid;
    const reach = width + height;
    const found = [];
    for (let k = 0; k < count; k++) {
      const [cos, sin] = space.morph.direction((2 * Math.PI * k) / count);
      let at = null;
      for (let r = 4 * reach; r >= 0 && !at; r--) {
        const [x, y] = [middleX + (r / 4) * cos, middleY + (r / 4) * sin];
        const [column, row] = [Math.floor(x), Math.floor(y)];
        if (column >= 0 && column < width && row >= 0 && row < height && lesion[row * width + column]) at = [x, y];
      }
      at = at || nearestTo(lesion, width, largest.box, middleX, middleY, cos, sin);
      if (found.every(([x, y]) => (x - at[0]) * (x - at[0]) + (y - at[1]) * (y - at[1]) >= 1)) found.push(at);
    }
    return found;
  }

  /** Centre of the lesion pixel seen from the middle in the direction nearest to (cos, sin), farthest out if equal. */
  function nearestTo(lesion, width, [x0, y0, x1, y1], middleX, middleY, cos, sin) {
    let [best, bestLength, at] = [-Infinity, 0, null];
    for (let y = y0; y < y1; y++)
      for (let x = x0; x < x1; x++) {
        if (!lesion[y * width + x]) continue;
        const [u, v] = [x + 0.5 - middleX, y + 0.5 - middleY];
        const length = u * u + v * v;
        const along = Math.floor(((u * cos + v * sin) / Math.sqrt(length)) * 1e9 + 0.5);
        if (along > best || (along === best && length > bestLength))
          [best, bestLength, at] = [along, length, [x + 0.5, y + 0.5]];
      }
    return at;
  }

  /** Weight of a handle at a squared distance: a Gaussian of width sigma, in a form that ends at 4 sigma. */
  function weight(square, sigma) {
    let rest = 1 - square / (16 * sigma * sigma);
    if (rest <= 0) return 0;
    rest *= rest; // three times: (1 - u)^8 is close to exp(-8 u)
    rest *= rest;
    return rest * rest;
  }

  /** What each handle has to pull with so that every one of them gets its own move, by repeated correction.
      @returns {number[][]} [x, y] for each place */
  function pulls(places, moves, sigma) {
    const weights = places.map(([x, y]) =>
      places.map(([u, v]) => weight((x - u) * (x - u) + (y - v) * (y - v), sigma)),
    );
    for (const row of weights) {
      const sum = row.reduce((a, b) => a + b, 0) + HOLD;
      row.forEach((_, j) => (row[j] /= sum));
    }
    let found = moves.map((move) => [...move]);
    for (let round = 0; round < ROUNDS; round++)
      found = found.map(([x, y], i) => {
        let [gotX, gotY] = [0, 0];
        weights[i].forEach((w, j) => {
          gotX += w * found[j][0];
          gotY += w * found[j][1];
        });
        return [x + moves[i][0] - gotX, y + moves[i][1] - gotY];
      });
    return found;
  }

  /** The mask pulled by its handles: the edge at each goes where the handle goes, those that stay hold theirs.
      Long moves are made of short ones, so that nothing folds or tears.
      @param {number[][]} places [x, y] of `handles` @param {number[][]} moves [dx, dy] of each, pixels */
  function deform(raster, width, height, places, moves) {
    const longest = Math.max(0, ...moves.map(([x, y]) => Math.sqrt(x * x + y * y)));
    if (!longest) return raster.slice();
    const next = (i) => places[(i + 1) % places.length];
    const around = places.reduce((sum, [x, y], i) => {
      const [u, v] = [next(i)[0] - x, next(i)[1] - y];
      return sum + Math.sqrt(u * u + v * v);
    }, 0);
    const sigma = Math.max(2, (0.6 * around) / places.length);
    const steps = Math.min(40, Math.ceil((2 * longest) / sigma));
    const edges = [...places, ...places.map(([x, y], i) => [x + moves[i][0], y + moves[i][1]])];
    const left = Math.max(0, Math.floor(Math.min(...edges.map((e) => e[0])) - 4 * sigma));
    const top = Math.max(0, Math.floor(Math.min(...edges.map((e) => e[1])) - 4 * sigma));
    const right = Math.min(width, Math.ceil(Math.max(...edges.map((e) => e[0])) + 4 * sigma));
    const bottom = Math.min(height, Math.ceil(Math.max(...edges.map((e) => e[1])) + 4 * sigma));
    if (left >= right || top >= bottom) return raster.slice();
    const mesh = Math.max(1, Math.floor(sigma / 3)); // pixels between the places where displacement is computed
    const columns = Math.ceil((right - left) / mesh) + 1;
    const rows = Math.ceil((bottom - top) / mesh) + 1;
    const xs = new Float64Array(columns * rows);
    const ys = new Float64Array(columns * rows);
    for (let i = 0; i < xs.length; i++) {
      xs[i] = left + (i % columns) * mesh;
      ys[i] = top + Math.floor(i / columns) * mesh;
    }
    const part = moves.map(([x, y]) => [x / steps, y / steps]);
    for (let k = steps; k >= 1; k--) {
      const stand = places.map(([x, y], i) => [x + part[i][0] * k, y + part[i][1] * k]);
      retrace(xs, ys, stand, pulls(stand, part, sigma), sigma);
    }
    for (let i = 0; i < xs.length; i++) {
      xs[i] -= left + (i % columns) * mesh;
      ys[i] -= top + Math.floor(i / columns) * mesh;
    }
    const warped = raster.slice();
    for (let y = top; y < bottom; y++)
      for (let x = left; x < right; x++) {
        const [column, row] = [(x + 0.5 - left) / mesh, (y + 0.5 - top) / mesh];
        const fromX = x + read(xs, columns, rows, column, row);
        const fromY = y + read(ys, columns, rows, column, row);
        warped[y * width + x] = read(raster, width, height, fromX, fromY) >= 0.5 ? 1 : 0;
      }
    return warped;
  }

  /** Move points back by one step of the handles, which now stand at `places`; in place. */
  function retrace(xs, ys, places, pull, sigma) {
    const [placeX, placeY] = [0, 1].map((k) => Float64Array.from(places, (p) => p[k]));
    const [pullX, pullY] = [0, 1].map((k) => Float64Array.from(pull, (p) => p[k]));
    for (let i = 0; i < xs.length; i++) {
      let [sum, sumX, sumY] = [HOLD, 0, 0];
      for (let j = 0; j < placeX.length; j++) {
        const u = xs[i] - placeX[j];
        const v = ys[i] - placeY[j];
        const w = weight(u * u + v * v, sigma);
        sum += w;
        sumX += w * pullX[j];
        sumY += w * pullY[j];
      }
      xs[i] -= sumX / sum;
      ys[i] -= sumY / sum;
    }
  }

  /** Uniform numbers in 0..1 from a whole number, the same everywhere (mulberry32). */
  function random(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), state | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  }

  /** A smooth random warp, the same for the same seed and size: cubic B-splines over random numbers.
      @param {{seed: number, strength: number, scale: number}} parameters whole number; about the largest displacement
        in pixels, at most a third of `scale` counts, so that nothing folds; distance of independent displacements */
  function elastic(raster, width, height, { seed, strength, scale }) {
    const columns = Math.ceil(width / scale) + 3;
    const rows = Math.ceil(height / scale) + 3;
    const next = random(seed);
    const reach = 1.5 * Math.min(strength, scale / 3);
    const grid = Float64Array.from({ length: 2 * columns * rows }, () => reach * (2 * next() - 1));
    const across = Array.from({ length: width }, (_, x) => spline(x, scale));
    const lines = new Float64Array(2 * rows * width); // splined along x: x and y parts, row by row of the grid
    for (let line = 0; line < 2 * rows; line++)
      for (let x = 0; x < width; x++) {
        const [first, a, b, c, d] = across[x];
        const at = line % 2 + 2 * (Math.floor(line / 2) * columns + first);
        lines[line * width + x] = a * grid[at] + b * grid[at + 2] + c * grid[at + 4] + d * grid[at + 6];
      }
    const warped = new Uint8Array(raster.length);
    for (let y = 0, i = 0; y < height; y++) {
      const [first, a, b, c, d] = spline(y, scale);
      const stride = 2 * width;
      for (let x = 0, at = first * stride; x < width; x++, at++, i++) {
        const dx = a * lines[at] + b * lines[at + stride] + c * lines[at + 2 * stride] + d * lines[at + 3 * stride];
        const below = at + width;
        const dy =
          a * lines[below] + b * lines[below + stride] + c * lines[below + 2 * stride] + d * lines[below + 3 * stride];
        warped[i] = read(raster, width, height, x + dx, y + dy) >= 0.5 ? 1 : 0;
      }
    }
    return warped;
  }

  /** First of four grid places and the weight of each for pixel `index`. */
  function spline(index, scale) {
    const at = (index + 0.5) / scale;
    const first = Math.floor(at);
    const p = at - first;
    const q = 1 - p;
    const ends = [(q * q * q) / 6, (p * p * p) / 6];
    const b = (4 - 6 * p * p + 3 * p * p * p) / 6;
    return [first, ends[0], b, 1 - ends[0] - b - ends[1], ends[1]];
  }

  space.morph = Object.assign(space.morph || {}, { Push, pushStep, handles, deform, elastic });
})();
