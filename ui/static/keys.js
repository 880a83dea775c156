/* The keys of the canvas. They act only while it has the focus, and single letters can be switched off (WCAG 2.1.4). */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const STORE = "siamese-letters";
  const LIST = [
    ["B · E", "brush · eraser"],
    ["L · P · O", "lasso · polygon · ellipse"],
    ["T · C · W", "box (move, scale, rotate) · twelve handles · push"],
    ["[ · ]", "smaller · larger brush; also Shift and the wheel"],
    ["right button, Alt", "take away instead of adding, with every drawing tool"],
    ["Shift + click", "straight line from the last stroke"],
    ["arrows", "move the cross (with Shift by ten pixels)"],
    ["Enter", "click at the cross; again: let go. Twice at one place closes a polygon"],
    ["click, then click", "ellipse, box, handles and push: take hold and let go without dragging"],
    ["Enter · Escape", "apply · cancel a change of shape (Ctrl+Enter while using the cross)"],
    ["Ctrl+Z · Ctrl+Shift+Z", "undo · redo"],
    ["0 · 1 · 2 · 4", "zoom: fit · 100 · 200 · 400 %; the wheel zooms at the pointer"],
    ["Space + drag", "move the picture while zoomed; also the middle button"],
    ["H (hold)", "hide the outline"],
  ];

  class Keys {
    /** @param {{desk: Desk, view: View, tools: Tools}} parts */
    constructor({ desk, view, tools }) {
      Object.assign(this, { desk, view, tools });
      this.letters = space.memory.get(STORE) !== "off";
      view.canvas.addEventListener("keydown", (event) => this.down(event));
      view.canvas.addEventListener("keyup", (event) => this.up(event));
    }

    down(event) {
      const act = this.action(event);
      if (!act) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    }

    up(event) {
      if (event.key === "Alt") event.preventDefault(); // erasing with Alt must not open the browser's menu
      if (event.key === " ") this.view.spaceHeld = false;
      if (event.key.toLowerCase() === "h" && this.view.hidden) {
        this.view.hidden = false;
        this.view.draw();
      }
    }

    /** What a key does now, or nothing. */
    action(event) {
      const { desk, view, tools } = this;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      if (event.ctrlKey || event.metaKey) {
        const held = {
          z: () => (event.shiftKey ? desk.redo() : desk.undo()),
          y: () => desk.redo(),
          Enter: () => desk.apply(),
        };
        return held[key];
      }
      if (event.altKey) return null;
      const far = event.shiftKey ? 10 : 1;
      const always = {
        ArrowLeft: () => view.step(-far, 0),
        ArrowRight: () => view.step(far, 0),
        ArrowUp: () => view.step(0, -far),
        ArrowDown: () => view.step(0, far),
        Enter: () => this.enter(event.shiftKey),
        Escape: () => view.drop() || desk.escape(),
        " ": () => (view.spaceHeld = true),
      };
      if (always[key]) return always[key];
      if (!this.letters) return null;
      const names = { b: "brush", e: "eraser", l: "lasso", p: "polygon", o: "ellipse", t: "box", c: "contour", w: "push" };
      if (names[key]) return () => desk.choose(names[key]);
      const steps = Math.max(1, desk.size * 0.12);
      return {
        "[": () => desk.resize(desk.size - steps),
        "]": () => desk.resize(desk.size + steps),
        0: () => tools.zoom(null),
        1: () => tools.zoom(1),
        2: () => tools.zoom(2),
        4: () => tools.zoom(4),
        h: () => {
          view.hidden = true;
          view.draw();
        },
        "?": () => this.help(),
      }[key];
    }

    enter(shift) {
      const { desk, view } = this;
      if (view.keyed || view.sticky) view.press(shift);
      else if (desk.tool.open) desk.tool.close();
      else if (!desk.apply()) view.press(shift);
    }

    /** The list of keys, with the switch for single letters. */
    help() {
      const { make } = space;
      if (!this.dialog) {
        const rows = LIST.flatMap(([keys, words]) => [make("dt", {}, keys), make("dd", {}, words)]);
        const box = make("input", { type: "checkbox", id: "mc-letters" });
        box.checked = this.letters;
        box.addEventListener("change", () => {
          this.letters = box.checked;
          space.memory.set(STORE, box.checked ? "on" : "off");
        });
        const close = make("button", { type: "button", class: "mc-button" }, "Close");
        close.addEventListener("click", () => this.dialog.close());
        this.dialog = make(
          "dialog", { class: "mc-dialog", "aria-label": "Keys" }, make("h2", {}, "Keys"),
          make("p", {}, "They act while the drawing area has the focus."),
          make("label", { for: "mc-letters" }, box, " single letters act (switch off when you dictate or use other aids)"),
          make("dl", {}, ...rows), close
        );
        this.dialog.addEventListener("close", () => this.view.canvas.focus());
        document.body.append(this.dialog);
      }
      this.dialog.showModal();
    }
  }

  space.Keys = Keys;
})();
