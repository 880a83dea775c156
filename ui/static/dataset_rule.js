/* One rule: the histogram of a score, its threshold as a line that can be moved, and what the rule costs. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const NS = "http://www.w3.org/2000/svg";
  const WIDE = 300;
  const HIGH = 110;

  function draw(tag, attributes) {
    const made = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
    return made;
  }

  class RuleChart {
    /** @param {{key: string, words: string, unit: string, low: number, high: number, bins: number[], beyond: "below"|"above", threshold: number, action: string, lines: string[]}} rule
        @param {(change: {key: string, threshold?: number, action?: string}, settled: () => void) => void} change settled: to be called once the change is in force or was refused */
    constructor(rule, change) {
      const { make } = space;
      this.change = change;
      this.typed = false; // something is in the field that was not sent yet
      this.sent = 0; // changes on their way
      this.value = make("input", { type: "number", class: "tr-input", step: "any", id: `rule-${rule.key}`, "aria-label": `${rule.words}: threshold` });
      this.action = make("select", { class: "tr-select", "aria-label": `${rule.words}: what happens beyond it` });
      for (const [value, words] of [["accept", "do nothing"], ["flag", "flag"], ["reject", "reject"]]) this.action.append(make("option", { value }, words));
      this.stage = make("div", { class: "tr-chart-stage ds-stage" });
      const head = make("figcaption", {}, make("span", { class: "tr-chart-name" }, rule.words), make("span", { class: "tr-soft" }, rule.beyond === "below" ? "flagged below" : "flagged above"));
      const tools = make("div", { class: "ds-pair" }, this.value, this.action);
      this.lines = make("ul", { class: "tr-lines" });
      this.element = make("figure", { class: "tr-chart", "data-rule": rule.key }, head, this.stage, tools, this.lines);
      this.value.addEventListener("input", () => (this.typed = true));
      this.value.addEventListener("change", () => this.value.value !== "" && this.send({ threshold: Number(this.value.value) }));
      this.value.addEventListener("blur", () => this.left());
      this.action.addEventListener("change", () => this.send({ action: this.action.value }));
      this.stage.addEventListener("pointerdown", (event) => this.drag(event));
      this.show(rule);
    }

    /** The rule as the server has it; what is being typed, dragged or sent stays as the person has it. */
    show(rule) {
      const { make } = space;
      this.rule = rule;
      if (!this.typed && !this.sent && !this.stage.onpointermove) {
        this.value.value = rule.threshold.toPrecision(3);
        this.action.value = rule.action;
      }
      this.lines.replaceChildren(...rule.lines.map((line) => make("li", {}, line)));
      this.picture();
    }

    send(part) {
      this.typed = false;
      this.sent += 1;
      this.change({ key: this.rule.key, ...part }, () => (this.sent -= 1));
    }

    /** The field was left: what is in it was sent, or is nothing. */
    left() {
      this.typed = false;
      if (this.value.value === "") this.show(this.rule);
    }

    picture() {
      const { bins, low, high, threshold, beyond } = this.rule;
      const svg = draw("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, width: "100%", height: "100%", preserveAspectRatio: "none", role: "img", "aria-label": `Histogram of ${this.rule.words}` });
      const top = Math.max(1, ...bins);
      const wide = WIDE / bins.length;
      bins.forEach((count, i) => {
        const middle = low + ((i + 0.5) / bins.length) * (high - low);
        const out = beyond === "below" ? middle < threshold : middle > threshold;
        const tall = count ? Math.max(2, (count / top) * (HIGH - 14)) : 0;
        svg.append(draw("rect", { x: i * wide + 0.5, y: HIGH - tall, width: Math.max(0.5, wide - 1), height: tall, class: out ? "ds-out" : "ds-in" }));
      });
      this.line = draw("line", { y1: 0, y2: HIGH, class: "tr-limit ds-limit" });
      svg.append(this.line);
      this.stage.replaceChildren(svg);
      this.place(this.value.value === "" ? threshold : Number(this.value.value));
    }

    place(value) {
      const { low, high } = this.rule;
      const x = Math.max(0, Math.min(WIDE, ((value - low) / (high - low || 1)) * WIDE));
      this.line.setAttribute("x1", String(x));
      this.line.setAttribute("x2", String(x));
    }

    drag(event) {
      event.preventDefault();
      const box = this.stage.getBoundingClientRect();
      const { low, high } = this.rule;
      const move = (at) => {
        const part = Math.max(0, Math.min(1, (at.clientX - box.left) / box.width));
        this.value.value = (low + part * (high - low)).toPrecision(3);
        this.place(Number(this.value.value));
      };
      move(event);
      this.stage.setPointerCapture(event.pointerId);
      this.stage.onpointermove = move;
      this.stage.onpointerup = () => {
        this.stage.onpointermove = this.stage.onpointerup = null;
        this.send({ threshold: Number(this.value.value) });
      };
    }
  }

  Object.assign(space, { RuleChart });
})();
