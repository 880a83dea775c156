/* A curve over steps: an SVG drawn anew when its values change; read with the mouse or the arrow keys. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const LEFT = 58; // pixels for the figures of the axis
  const BELOW = 18;
  const ABOVE = 8;
  const HEIGHT = 150;
  const SMALLEST = 1e-12; // what a logarithmic axis shows of 0

  class Chart {
    /**
     * @param {string} title shown above, and what the curve is called to a screen reader
     * @param {{log?: boolean, smooth?: number, limit?: number}} options `smooth` in [0,1); `limit` a line to stay below
     */
    constructor(title, options = {}) {
      const { make } = space;
      this.options = options;
      this.series = [];
      this.at = null;
      this.name = make("span", { class: "tr-chart-name" }, title);
      this.value = make("output", { class: "tr-chart-value" });
      this.legend = make("div", { class: "tr-legend" });
      this.stage = make("div", { class: "tr-chart-stage", tabindex: "0", role: "slider", "aria-label": `${title}, read along the steps` });
      this.element = make("figure", { class: "tr-chart" }, make("figcaption", {}, this.name, this.value), this.stage, this.legend);
      this.stage.addEventListener("pointermove", (event) => this.point(event.offsetX));
      this.stage.addEventListener("pointerleave", () => this.read(null));
      this.stage.addEventListener("blur", () => this.read(null));
      this.stage.addEventListener("keydown", (event) => this.key(event));
      new ResizeObserver(() => this.draw()).observe(this.stage);
    }

    /** @param {Array<{name: string, points: number[][]}>} series points [step, value], ascending; the first is this run's */
    show(series, options = {}) {
      Object.assign(this.options, options);
      this.series = series.filter((one) => one.points.length);
      this.legend.replaceChildren(
        ...(this.series.length < 2 ? [] : this.series.map((one, i) =>
          space.make("span", { class: `tr-key tr-line-${i}` }, space.make("i", { "aria-hidden": "true" }), one.name)))
      );
      this.draw();
    }

    draw() {
      const width = Math.round(this.stage.clientWidth);
      if (width < 80 || !this.series.length) return;
      const { log, smooth, limit } = this.options;
      const shown = this.series.map((one) => ({ ...one, points: one.points, soft: smoothed(one.points, smooth || 0) }));
      const values = shown.flatMap((one) => one.points.map((p) => p[1]).filter(Number.isFinite));
      if (limit !== undefined) values.push(limit, 0);
      if (!values.length) return;
      const steps = shown.flatMap((one) => [one.points[0][0], one.points[one.points.length - 1][0]]);
      const x = scale(Math.min(...steps), Math.max(...steps), LEFT, width - 8, false);
      const y = scale(smallest(values, log), Math.max(...values), HEIGHT - BELOW, ABOVE, log);
      this.placed = { x, shown, width };
      const parts = [];
      for (const value of y.ticks) {
        const at = y(value).toFixed(1);
        parts.push(`<line class="tr-rule" x1="${LEFT}" x2="${width - 8}" y1="${at}" y2="${at}"/>`);
        parts.push(`<text x="${LEFT - 6}" y="${Number(at) + 4}" text-anchor="end">${figure(value)}</text>`);
      }
      for (const [value, anchor] of [[x.low, "start"], [x.high, "end"]])
        parts.push(`<text x="${x(value)}" y="${HEIGHT - 3}" text-anchor="${anchor}">${Math.round(value).toLocaleString("en")}</text>`);
      if (limit !== undefined) {
        const at = y(limit).toFixed(1);
        parts.push(`<line class="tr-limit" x1="${LEFT}" x2="${width - 8}" y1="${at}" y2="${at}"/>`);
        parts.push(`<text class="tr-limit-word" x="${width - 10}" y="${Number(at) + (Number(at) < 14 ? 12 : -4)}" text-anchor="end">limit ${figure(limit)}</text>`);
      }
      for (const [i, one] of [...shown.entries()].reverse()) {
        if (smooth) parts.push(`<path class="tr-raw tr-line-${i}" d="${path(one.points, x, y)}"/>`);
        parts.push(`<path class="tr-curve tr-line-${i}" d="${path(one.soft, x, y)}"/>`);
        if (one.points.length < 12)
          parts.push(...one.soft.map((p) => `<circle class="tr-line-${i}" cx="${x(p[0]).toFixed(1)}" cy="${y(p[1]).toFixed(1)}" r="2.5"/>`));
      }
      parts.push(`<line class="tr-cursor" y1="${ABOVE}" y2="${HEIGHT - BELOW}" visibility="hidden"/>`);
      this.stage.innerHTML = `<svg width="${width}" height="${HEIGHT}" aria-hidden="true">${parts.join("")}</svg>`;
      this.stage.setAttribute("aria-valuemin", String(x.low));
      this.stage.setAttribute("aria-valuemax", String(x.high));
      this.read(this.at);
    }

    point(pixels) {
      if (!this.placed) return;
      const { x } = this.placed;
      this.read(x.low + ((pixels - LEFT) / (this.placed.width - 8 - LEFT)) * (x.high - x.low));
    }

    key(event) {
      if (!this.placed) return;
      const points = this.placed.shown[0].soft;
      const now = this.at === null ? points.length - 1 : nearest(points, this.at);
      const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: points.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.read(points[Math.max(0, Math.min(points.length - 1, to))][0]);
    }

    /** Say the values at a step; null: those of the last one. */
    read(step) {
      this.at = step;
      if (!this.placed) return;
      const { x, shown } = this.placed;
      const words = shown.map((one) => {
        const found = one.soft[step === null ? one.soft.length - 1 : nearest(one.soft, step)];
        return (shown.length > 1 ? `${one.name} ` : "") + figure(found[1]);
      });
      const first = shown[0].soft[step === null ? shown[0].soft.length - 1 : nearest(shown[0].soft, step)];
      this.value.textContent = (step === null ? "" : `step ${first[0].toLocaleString("en")}: `) + words.join(" · ");
      this.stage.setAttribute("aria-valuenow", String(first[0]));
      this.stage.setAttribute("aria-valuetext", `step ${first[0]}: ${words.join(", ")}`);
      const line = this.stage.querySelector(".tr-cursor");
      if (!line) return;
      line.setAttribute("visibility", step === null ? "hidden" : "visible");
      line.setAttribute("x1", x(first[0]));
      line.setAttribute("x2", x(first[0]));
    }
  }

  function scale(low, high, from, to, log) {
    const bend = log ? (v) => Math.log10(Math.max(v, SMALLEST)) : (v) => v;
    let [a, b] = [bend(low), bend(high)];
    if (b - a < 1e-12) [a, b] = [a - Math.abs(a) * 0.05 - 1e-9, b + Math.abs(b) * 0.05 + 1e-9];
    const place = (v) => from + ((bend(v) - a) / (b - a)) * (to - from);
    const back = (part) => (log ? 10 ** (a + part * (b - a)) : a + part * (b - a));
    return Object.assign(place, { low, high, ticks: [0, 0.5, 1].map(back) });
  }

  function smallest(values, log) {
    if (!log) return Math.min(...values);
    const above = values.filter((v) => v > 0);
    return above.length ? Math.min(...above) : SMALLEST;
  }

  /** Running mean that forgets, corrected for its beginning, as TensorBoard's. */
  function smoothed(points, weight) {
    if (!weight) return points.filter((p) => Number.isFinite(p[1]));
    let sum = 0;
    let mass = 0;
    return points.filter((p) => Number.isFinite(p[1])).map(([step, value]) => {
      sum = sum * weight + value * (1 - weight);
      mass = mass * weight + (1 - weight);
      return [step, sum / mass];
    });
  }

  function path(points, x, y) {
    return points
      .filter((p) => Number.isFinite(p[1]))
      .map((p, i) => `${i ? "L" : "M"}${x(p[0]).toFixed(1)} ${y(p[1]).toFixed(1)}`)
      .join("");
  }

  function nearest(points, step) {
    let best = 0;
    for (let i = 1; i < points.length; i++)
      if (Math.abs(points[i][0] - step) < Math.abs(points[best][0] - step)) best = i;
    return best;
  }

  /** A figure in at most seven characters. */
  function figure(value) {
    if (!Number.isFinite(value)) return "not a number";
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e5 || size < 1e-3) return value.toExponential(1).replace("e+", "e");
    return String(Number(value.toPrecision(3)));
  }

  space.Chart = Chart;
  space.figure = figure;
})();
