/* Tools that reshape what is drawn: the box (move, scale, rotate), twelve handles, and the push brush.
   Box and handles open a morph that is shown live and waits for Apply or Cancel; a push is an edit of its own. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const REACH = 14; // CSS pixels around a handle that catch the pointer: 28 across
  const KNOB = 5; // CSS pixels, radius of a drawn handle

  /** A box around the lesion: inside moves, corners and sides scale, the knob above turns. */
  class Box {
    constructor(desk) {
      this.desk = desk;
      this.sticky = true;
      this.reset();
    }

    reset() {
      this.base = null; // the mask when the morph opened
      this.values = { dx: 0, dy: 0, scaleX: 1, scaleY: 1, degrees: 0 };
      this.held = null;
    }

    /** The box of the mask the morph began from, mask pixels; null when nothing is drawn. */
    bounds() {
      const { engine } = this.desk;
      const source = this.base || engine.raster;
      if (this.measured !== source || this.measuredVersion !== engine.version) {
        this.box = boundsOf(source, engine.width, engine.height);
        this.measured = source;
        this.measuredVersion = engine.version;
      }
      return this.box;
    }

    /** Handles in mask pixels as they stand now, by name. */
    knobs(unit) {
      const box = this.bounds();
      if (!box) return {};
      const names = { nw: [-1, -1], n: [0, -1], ne: [1, -1], e: [1, 0], se: [1, 1], s: [0, 1], sw: [-1, 1], w: [-1, 0] };
      const found = {};
      for (const [name, [u, v]] of Object.entries(names))
        found[name] = this.carry(box, (u * (box.x1 - box.x0)) / 2, (v * (box.y1 - box.y0)) / 2);
      const above = this.carry(box, 0, -(box.y1 - box.y0) / 2);
      const [dx, dy] = turned(0, -24 * unit, this.values.degrees);
      found.turn = [above[0] + dx, above[1] + dy];
      return found;
    }

    carry(box, u, v) {
      const { dx, dy, scaleX, scaleY, degrees } = this.values;
      const [x, y] = turned(u * scaleX, v * scaleY, degrees);
      return [(box.x0 + box.x1) / 2 + x + dx, (box.y0 + box.y1) / 2 + y + dy];
    }

    down(here, { scale }) {
      this.held = null;
      const box = this.bounds();
      if (!box) {
        this.desk.announce("nothing is drawn yet");
        return;
      }
      const knobs = Object.entries(this.knobs(scale));
      const caught = knobs.filter(([, at]) => Math.hypot(at[0] - here.x, at[1] - here.y) <= REACH * scale);
      caught.sort(([, a], [, b]) => Math.hypot(a[0] - here.x, a[1] - here.y) - Math.hypot(b[0] - here.x, b[1] - here.y));
      this.held = caught.length ? caught[0][0] : "move";
      this.from = here;
      this.at = { ...this.values };
    }

    move(here, { shift }) {
      const box = this.held && this.bounds();
      if (!box) return;
      const values = { ...this.at };
      const middle = [(box.x0 + box.x1) / 2 + this.at.dx, (box.y0 + box.y1) / 2 + this.at.dy];
      if (this.held === "move") {
        values.dx += here.x - this.from.x;
        values.dy += here.y - this.from.y;
      } else if (this.held === "turn") {
        const angle = (point) => (Math.atan2(point.y - middle[1], point.x - middle[0]) * 180) / Math.PI;
        values.degrees += angle(here) - angle(this.from);
        if (shift) values.degrees = Math.round(values.degrees / 15) * 15;
      } else {
        const [fx, fy] = turned(this.from.x - middle[0], this.from.y - middle[1], -this.at.degrees);
        const [hx, hy] = turned(here.x - middle[0], here.y - middle[1], -this.at.degrees);
        const ratio = (now, then) => (Math.abs(then) < 1 ? 1 : Math.max(0.05, now / then));
        if (/[ew]/.test(this.held)) values.scaleX *= ratio(hx, fx);
        if (/[ns]/.test(this.held)) values.scaleY *= ratio(hy, fy);
        if (shift && this.held.length === 2) {
          const both = Math.sqrt((values.scaleX * values.scaleY) / (this.at.scaleX * this.at.scaleY));
          values.scaleX = this.at.scaleX * both;
          values.scaleY = this.at.scaleY * both;
        }
      }
      this.set(values);
    }

    /** Show the mask moved, scaled and turned. @param {{dx, dy, scaleX, scaleY, degrees}} values pixels, factors, degrees */
    set(values) {
      const { engine } = this.desk;
      if (!this.bounds()) return;
      if (!this.base) {
        this.base = engine.raster.slice();
        this.desk.open(this, "moved");
      }
      this.values = values;
      this.desk.preview(space.morph.transform(this.base, engine.width, engine.height, values));
    }

    up() {
      this.held = null;
    }

    cancel() {
      if (this.held && this.base) this.set(this.at);
      this.held = null;
    }

    paint(ink, unit) {
      const box = this.bounds();
      if (!box) return;
      const knobs = this.knobs(unit);
      const frame = new Path2D();
      for (const name of ["nw", "ne", "se", "sw"]) frame.lineTo(...knobs[name]);
      frame.closePath();
      frame.moveTo(...knobs.n);
      frame.lineTo(...knobs.turn);
      space.twoTone(ink, frame, 0.75 * unit);
      drawKnobs(ink, unit, Object.values(knobs));
    }
  }

  /** Twelve handles on the outline: pull one and the mask's edge follows it. */
  class Contour {
    constructor(desk) {
      this.desk = desk;
      this.sticky = true;
      this.reset();
    }

    reset() {
      this.base = null;
      this.handles = null;
      this.held = -1;
      this.seen = -1;
    }

    /** Handles of the mask the morph began from. */
    places() {
      const { engine } = this.desk;
      if (!this.base && this.seen !== engine.version) {
        this.handles = space.morph.handles(engine.raster, engine.width, engine.height, 12);
        this.moves = this.handles.map(() => [0, 0]);
        this.seen = engine.version;
      }
      return this.handles.map(([x, y], i) => [x + this.moves[i][0], y + this.moves[i][1]]);
    }

    down(here, { scale }) {
      const places = this.places();
      const distances = places.map(([x, y]) => Math.hypot(x - here.x, y - here.y));
      const nearest = distances.indexOf(Math.min(...distances));
      this.held = places.length && distances[nearest] <= 2 * REACH * scale ? nearest : -1;
      if (this.held < 0) {
        this.desk.announce(places.length ? "no handle here" : "nothing is drawn yet");
        return;
      }
      this.at = [...this.moves[nearest]];
      this.from = here;
      this.desk.announce(`handle ${nearest + 1} of ${places.length}`);
    }

    move(here) {
      if (this.held < 0) return;
      const { engine } = this.desk;
      if (!this.base) {
        this.base = engine.raster.slice();
        this.desk.open(this, "pulled");
      }
      this.moves[this.held] = [this.at[0] + here.x - this.from.x, this.at[1] + here.y - this.from.y];
      this.desk.preview(space.morph.deform(this.base, engine.width, engine.height, this.handles, this.moves));
    }

    up() {
      this.held = -1;
    }

    cancel() {
      if (this.held >= 0 && this.base) this.move(this.from);
      this.held = -1;
    }

    paint(ink, unit) {
      drawKnobs(ink, unit, this.places(), this.held);
    }
  }

  /** Pushes the mask's edge along with the pointer. */
  class Push {
    constructor(desk) {
      this.desk = desk;
      this.sized = true;
      this.sticky = true;
    }

    resize(steps) {
      this.desk.resize(this.desk.size * Math.pow(1.12, steps) + Math.sign(steps) * 0.5);
    }

    down(here) {
      const { engine } = this.desk;
      engine.begin();
      this.warp = new space.morph.Push(engine.raster, engine.width, engine.height, Math.max(4, this.desk.size));
      this.last = here;
    }

    move(here) {
      const dx = here.x - this.last.x;
      const dy = here.y - this.last.y;
      if (!this.warp || (!dx && !dy)) return;
      this.warp.move(this.last.x, this.last.y, dx, dy);
      this.desk.engine.raster.set(this.warp.raster());
      this.desk.engine.version++;
      this.last = here;
      this.desk.changing();
    }

    up(here) {
      this.move(here);
      this.warp = null;
      this.desk.finish("pushed");
    }

    cancel() {
      this.warp = null;
      this.desk.engine.abandon();
      this.desk.changing();
    }

    paint(ink, unit, hover) {
      if (!hover) return;
      const ring = new Path2D();
      ring.arc(hover.x, hover.y, Math.max(4, this.desk.size), 0, 2 * Math.PI);
      ink.setLineDash([4 * unit, 3 * unit]);
      space.twoTone(ink, ring, 0.75 * unit);
      ink.setLineDash([]);
    }
  }

  function turned(x, y, degrees) {
    const angle = (degrees * Math.PI) / 180;
    return [x * Math.cos(angle) - y * Math.sin(angle), x * Math.sin(angle) + y * Math.cos(angle)];
  }

  function boundsOf(raster, width, height) {
    let [x0, y0, x1, y1] = [width, height, -1, -1];
    for (let y = 0, at = 0; y < height; y++)
      for (let x = 0; x < width; x++, at++)
        if (raster[at]) {
          if (x < x0) x0 = x;
          if (x > x1) x1 = x;
          if (y < y0) y0 = y;
          y1 = y;
        }
    return x1 < 0 ? null : { x0, y0, x1: x1 + 1, y1: y1 + 1 };
  }

  function drawKnobs(ink, unit, places, held = -1) {
    places.forEach(([x, y], i) => {
      const knob = new Path2D();
      knob.arc(x, y, KNOB * unit, 0, 2 * Math.PI);
      ink.fillStyle = i === held ? "#56b4e9" : "#fff";
      ink.fill(knob);
      ink.strokeStyle = "#000";
      ink.lineWidth = 1.5 * unit;
      ink.stroke(knob);
    });
  }

  space.reshapeTools = { Box, Contour, Push };
})();
