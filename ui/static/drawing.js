/* Tools that add to the mask or take away from it: brush, eraser, lasso, polygon, ellipse.
   A tool knows the desk (engine, brush size, what to do after an edit) and gets places in mask pixels from the view.
   `sticky`: a click without a drag takes hold, the next one lets go, so that nothing needs dragging. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});

  class Brush {
    constructor(desk, erases) {
      this.desk = desk;
      this.erases = erases;
      this.sized = true;
      this.anchor = null; // where the last stroke ended, for Shift + click
    }

    resize(steps) {
      this.desk.resize(this.desk.size * Math.pow(1.12, steps) + Math.sign(steps) * 0.5);
    }

    down(here, { erase, shift }) {
      const { engine } = this.desk;
      this.value = erase || this.erases ? 0 : 1;
      const from = shift && this.anchor ? this.anchor : here;
      engine.begin();
      this.last = from;
      this.move(here);
    }

    move(here) {
      const { engine, size } = this.desk;
      engine.stroke(this.last.x, this.last.y, here.x, here.y, size / 2, this.value);
      this.last = here;
      this.desk.changing();
    }

    up(here) {
      this.move(here);
      this.anchor = here;
      this.desk.finish(this.value ? "drawn" : "erased");
    }

    cancel() {
      this.desk.engine.abandon();
      this.desk.changing();
    }

    paint(ink, unit, hover) {
      if (!hover) return;
      const ring = new Path2D();
      ring.arc(hover.x, hover.y, Math.max(this.desk.size / 2, 0.71), 0, 2 * Math.PI);
      space.twoTone(ink, ring, 0.75 * unit);
    }
  }

  /** An area enclosed by a line: what all of the following end with. */
  class Area {
    constructor(desk) {
      this.desk = desk;
      this.corners = [];
    }

    fill(corners) {
      const { engine } = this.desk;
      this.corners = [];
      if (corners.length < 3) return;
      engine.begin();
      engine.polygon(corners, this.value);
      this.desk.finish(this.value ? "filled" : "taken away");
    }

    cancel() {
      this.corners = [];
      this.desk.redraw();
    }

    paint(ink, unit, hover, open = false) {
      if (!this.corners.length) return;
      const path = new Path2D();
      for (const [x, y] of this.corners) path.lineTo(x, y);
      if (!open) path.closePath();
      space.twoTone(ink, path, unit);
    }
  }

  class Lasso extends Area {
    down(here, { erase }) {
      this.value = erase ? 0 : 1;
      this.corners = [[here.x, here.y]];
    }

    move(here) {
      this.corners.push([here.x, here.y]);
    }

    up(here) {
      this.fill([...this.corners, [here.x, here.y]]);
    }

    paint(ink, unit, hover) {
      super.paint(ink, unit, hover, true);
    }
  }

  /** Corner by corner; a click on the first corner, a double click or Enter closes it. */
  class Polygon extends Area {
    down(here, { erase, scale }) {
      const [first] = this.corners;
      if (first && this.corners.length > 2 && near(first, here, 12 * scale)) {
        this.fill(this.corners);
        return;
      }
      if (!this.corners.length) this.value = erase ? 0 : 1;
      const last = this.corners[this.corners.length - 1];
      if (last && near(last, here, 3 * scale)) {
        this.fill(this.corners); // the second click of a double click
        return;
      }
      this.corners.push([here.x, here.y]);
      this.desk.announce(`corner ${this.corners.length}`);
    }

    move() {}

    up() {}

    get open() {
      return this.corners.length > 0;
    }

    close() {
      if (this.corners.length > 2) this.fill(this.corners);
      else this.cancel();
    }

    /** Take back the last corner. @returns {boolean} whether there was one */
    back() {
      const had = this.corners.pop() !== undefined;
      this.desk.redraw();
      return had;
    }

    paint(ink, unit, hover) {
      if (!this.corners.length) return;
      const path = new Path2D();
      for (const [x, y] of this.corners) path.lineTo(x, y);
      if (hover) path.lineTo(hover.x, hover.y);
      space.twoTone(ink, path, unit);
      const knob = new Path2D();
      const [x, y] = this.corners[0];
      knob.arc(x, y, 6 * unit, 0, 2 * Math.PI);
      ink.fillStyle = "#fff";
      ink.fill(knob);
      space.twoTone(ink, knob, unit);
    }
  }

  /** From one corner of its box to the other; Shift keeps it round, Alt grows it from its middle. */
  class Ellipse extends Area {
    constructor(desk) {
      super(desk);
      this.sticky = true;
    }

    down(here, { erase }) {
      this.value = erase ? 0 : 1;
      this.from = here;
    }

    move(here, { shift, alt }) {
      let rx = (here.x - this.from.x) / 2;
      let ry = (here.y - this.from.y) / 2;
      if (shift) {
        const r = Math.max(Math.abs(rx), Math.abs(ry));
        rx = r * Math.sign(rx || 1);
        ry = r * Math.sign(ry || 1);
      }
      const middle = alt ? this.from : { x: this.from.x + rx, y: this.from.y + ry };
      if (alt) [rx, ry] = [2 * rx, 2 * ry];
      const steps = Math.max(24, Math.ceil(4 * Math.sqrt(Math.abs(rx) + Math.abs(ry))) * 4);
      this.corners = Array.from({ length: steps }, (_, i) => {
        const angle = (2 * Math.PI * i) / steps;
        return [middle.x + rx * Math.cos(angle), middle.y + ry * Math.sin(angle)];
      });
    }

    up() {
      this.fill(this.corners);
    }
  }

  function near([x, y], here, reach) {
    return Math.hypot(here.x - x, here.y - y) <= reach;
  }

  space.drawingTools = { Brush, Lasso, Polygon, Ellipse };
})();
