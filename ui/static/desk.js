/* The rules of editing: one active tool, one open morph at most, one undo history, and who is told of a change. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const SMALLEST = 1;
  const LARGEST = 160; // brush diameter, mask pixels

  class Desk {
    /**
     * @param {Engine} engine
     * @param {{edited: () => void, shown: () => void, redraw: () => void, announce: (text: string) => void,
     *   drop: () => boolean}} host edited: the mask changed and must be saved; shown: buttons and figures need another
     *   look; drop: what a click took hold of is let go without effect
     */
    constructor(engine, host) {
      this.engine = engine;
      this.host = host;
      this.size = 36;
      this.disabled = true; // until the stored mask has arrived
      this.morph = null; // {owner, word} while one waits for Apply or Cancel
      this.listeners = [];
      const { Brush, Lasso, Polygon, Ellipse } = space.drawingTools;
      const { Box, Contour, Push } = space.reshapeTools;
      this.tools = {
        brush: new Brush(this, false),
        eraser: new Brush(this, true),
        lasso: new Lasso(this),
        polygon: new Polygon(this),
        ellipse: new Ellipse(this),
        box: new Box(this),
        contour: new Contour(this),
        push: new Push(this),
      };
      this.active = "brush";
    }

    get tool() {
      return this.tools[this.active];
    }

    /** Take another tool; an open morph is applied (undo takes it back), an unfinished polygon is dropped. */
    choose(name) {
      if (this.disabled) return;
      this.host.drop();
      if (this.tool.open) this.tool.cancel();
      this.apply();
      this.active = name;
      this.host.shown();
      this.announce(name);
    }

    resize(size) {
      this.size = Math.min(LARGEST, Math.max(SMALLEST, Math.round(size)));
      this.host.shown();
      this.announce(`${this.active} ${this.size} pixels`);
    }

    announce(text) {
      this.host.announce(text);
    }

    redraw() {
      this.host.redraw();
    }

    /** What is visible changed while something is being dragged. */
    changing() {
      this.host.redraw();
      this.tell(true);
    }

    tell(dragging) {
      for (const listener of this.listeners) listener({ dragging });
    }

    /** The open stroke ends; what changed nothing leaves no trace. */
    finish(word) {
      if (this.engine.end()) this.done(word);
      else this.host.redraw();
    }

    done(word) {
      this.host.edited();
      this.host.shown();
      this.host.announce(`${word}; ${space.figures(this.engine)}`);
      this.tell(false);
    }

    /** A tool or slider begins a morph: it is shown live and waits for apply() or cancel(). */
    open(owner, word) {
      if (this.morph && this.morph.owner !== owner) this.apply();
      this.morph = { owner, word };
      this.host.shown();
    }

    preview(raster) {
      this.engine.show(raster);
      this.host.shown();
      this.changing();
    }

    /** @returns {boolean} whether a morph was open */
    apply() {
      if (!this.morph) return false;
      const { owner, word } = this.morph;
      const raster = this.engine.preview;
      this.morph = null;
      owner.reset();
      if (raster && this.engine.replace(raster)) this.done(word);
      else this.engine.show(null);
      this.host.shown();
      return true;
    }

    cancel() {
      if (!this.morph) return false;
      const { owner } = this.morph;
      this.morph = null;
      owner.reset();
      this.engine.show(null);
      this.host.shown();
      this.announce("morph cancelled");
      this.tell(false);
      return true;
    }

    /** Run an edit that answers whether it changed the mask; an open morph is applied first. */
    edit(act, word) {
      if (this.disabled || this.engine.drawing) return false;
      this.apply();
      const changed = act();
      if (changed) this.done(word);
      else this.host.shown();
      return changed;
    }

    undo() {
      if (this.host.drop()) return;
      if (this.tool.open) this.tool.back();
      else if (!this.cancel()) this.edit(() => this.engine.undo(), "undone");
    }

    redo() {
      this.edit(() => this.engine.redo(), "redone");
    }

    clear() {
      this.edit(() => this.engine.clear(), "cleared");
    }

    /** Escape: whatever is unfinished goes, the newest first. @returns {boolean} whether there was something */
    escape() {
      if (this.tool.open) {
        this.tool.cancel();
        return true;
      }
      return this.cancel();
    }
  }

  /** The lesion's share of the picture in words. */
  space.figures = function (engine) {
    const area = engine.area();
    if (!area) return "empty: normal mucosa will be made";
    return `lesion ${((100 * area) / engine.visible.length).toFixed(1)} % of the picture`;
  };

  space.Desk = Desk;
  space.BRUSH = [SMALLEST, LARGEST];
})();
