/* One run: where it stands, its curves, its previews over time, what can be done with it. Built once, then updated. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const SIGNS = { waiting: "…", running: "▶", stopping: "■", stopped: "■", finished: "✓", failed: "!", unknown: "?" };

  class RunView {
    /** @param {HTMLElement} element @param {object} desk see train.js */
    constructor(element, desk) {
      const { make } = space;
      this.desk = desk;
      this.element = element;
      this.run = null;
      this.other = null;
      this.title = make("h2", { id: "train-title", tabindex: "-1" });
      this.state = make("span", { class: "tr-state" });
      this.words = make("p", { class: "tr-words", id: "train-words", role: "status" });
      this.bar = make("div", { class: "tr-bar", role: "progressbar", "aria-label": "This part of the training", "aria-valuemin": "0", "aria-valuemax": "100" }, make("span", {}));
      this.figures = make("dl", { class: "tr-figures" });
      this.acts = make("div", { class: "tr-acts", role: "group", "aria-label": "What to do with this run" });
      this.said = make("p", { class: "tr-said", id: "train-said", role: "status" });
      this.curves = new space.Curves(desk);
      this.previews = new space.Previews(desk);
      this.points = make("ul", { class: "tr-points" });
      this.notices = make("ul", { class: "tr-notices" });
      this.log = make("pre", { class: "tr-log", tabindex: "0", "aria-label": "Log" });
      const head = make("section", { class: "tr-card", "aria-labelledby": "train-title" });
      head.append(make("div", { class: "tr-head" }, this.title, this.state), this.words, this.bar, this.figures, this.acts, this.said);
      const saved = make("section", { class: "tr-card" }, make("h3", {}, "Saved models"), this.points);
      this.savedCard = saved;
      const fold = make("details", { class: "tr-fold" }, make("summary", {}, "Log and messages"), this.notices, this.log);
      element.replaceChildren(head, this.curves.element, this.previews.element, saved, make("section", { class: "tr-card" }, fold));
      this.buttons = {};
      const acts = [
        ["stop", "Stop", "Stop after this step; everything so far is saved"],
        ["resume", "Go on", "Go on where it stopped"],
        ["ease", "Go on with less memory", "The same, with the settings that lower the memory it takes"],
        ["use", "Use in the studio", "Make pictures with this model"],
        ["duplicate", "Duplicate…", "A new training with these settings"],
        ["pack", "Take it to my cluster", "Download a zip that trains this on another machine"],
      ];
      for (const [name, text, title] of acts) {
        const strong = name === "use" ? " strong" : "";
        const button = make("button", { type: "button", class: "tr-button" + strong, id: `train-${name}`, title }, text);
        button.addEventListener("click", () => this.act(name, button));
        this.buttons[name] = button;
        this.acts.append(button);
      }
      this.compare = make("select", { class: "tr-select", id: "train-compare", "aria-label": "Compare with another run" });
      this.compare.addEventListener("change", () => this.against(this.compare.value));
      this.acts.append(this.compare);
    }

    /** @param {object} run as the server function `watch` tells @param {Array} runs all of them */
    show(run, runs) {
      const anew = !this.run || this.run.id !== run.id;
      if (anew) {
        this.other = null;
        this.tell("", "");
        this.title.textContent = run.title;
      }
      this.run = run;
      this.element.dataset.run = run.id;
      this.element.dataset.state = run.state;
      this.state.textContent = `${SIGNS[run.state] || ""} ${run.state_words}`;
      this.state.dataset.state = run.state;
      this.words.textContent = run.words;
      const part = run.total ? Math.min(100, (100 * run.step) / run.total) : 0;
      this.bar.hidden = !run.total || run.state === "finished";
      this.bar.firstChild.style.width = `${part}%`;
      this.bar.setAttribute("aria-valuenow", String(Math.round(part)));
      this.showFigures(run);
      for (const [name, button] of Object.entries(this.buttons)) button.hidden = !run.can[name];
      this.fillCompare(runs, anew);
      this.curves.show(run, this.other);
      this.previews.show(run, this.other, anew);
      this.showPoints(run);
      this.notices.replaceChildren(...run.notices.map((text) => space.make("li", {}, text)));
      const below = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 8;
      this.log.textContent = run.log;
      if (below) this.log.scrollTop = this.log.scrollHeight;
    }

    showFigures(run) {
      const { make } = space;
      const rows = [["Part", run.stage_words], ["Step", run.total ? `${count(run.step)} of ${count(run.total)}` : ""]];
      if (run.rate) rows.push(["Speed", run.rate >= 1 ? `${run.rate.toFixed(1)} steps a second` : `${(1 / run.rate).toFixed(1)} s a step`]);
      if (run.state === "running" && run.seconds_left !== null) rows.push(["Time left in this part", space.span(run.seconds_left)]);
      if (run.memory) rows.push(["Memory, at most", `${(run.memory / 1e9).toFixed(1)} GB`]);
      if (run.began) rows.push(["Begun", space.clock(run.began)]);
      rows.push(["Pictures", run.data.join(", ")]);
      this.figures.replaceChildren(
        ...rows.filter(([, value]) => value).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)))
      );
    }

    fillCompare(runs, anew) {
      const others = runs.filter((one) => one.id !== this.run.id);
      const key = others.map((one) => one.id).join("|");
      this.compare.hidden = !others.length;
      if (!anew && key === this.listed) return;
      this.listed = key;
      const chosen = this.other ? this.other.id : "";
      this.compare.replaceChildren(space.make("option", { value: "" }, "Compare with…"));
      for (const one of others) this.compare.append(space.make("option", { value: one.id }, one.title));
      this.compare.value = chosen;
    }

    async against(id) {
      try {
        this.other = id ? (await this.desk.ask("watch", { run: id })).run : null;
        this.curves.show(this.run, this.other);
        this.previews.show(this.run, this.other, true);
        this.tell("", "");
      } catch (error) {
        this.tell("bad", error.message);
      }
    }

    /** The states that can be used in the studio, the best one marked in words. */
    showPoints(run) {
      const { make } = space;
      this.savedCard.hidden = !run.points.length;
      const key = JSON.stringify([run.id, run.points, run.used]);
      if (key === this.pointsShown) return;
      this.pointsShown = key;
      const others = run.points.filter((point) => !point.usable);
      this.points.replaceChildren(
        ...run.points.filter((point) => point.usable).reverse().map((point) => {
          const used = run.used === point.id;
          const words = [point.words, point.best ? "★ best by the memorisation watch" : "", used ? "✓ used in the studio" : ""];
          const line = make("li", {}, make("span", {}, words.filter(Boolean).join(" · ")));
          if (!used) {
            const button = make("button", { type: "button", class: "tr-button", "aria-label": `Use in the studio: ${point.words}` }, "Use this one");
            button.addEventListener("click", () => this.use(point.id, button));
            line.append(button);
          }
          return line;
        }),
        ...(others.length ? [make("li", { class: "tr-soft" }, `To go on from: ${others.map((point) => point.words).join(" · ")}`)] : [])
      );
    }

    act(name, button) {
      if (name === "duplicate") return this.desk.duplicate(this.run);
      if (name === "use") return this.use(this.run.best, button);
      if (name === "pack") return this.pack(button);
      return this.busy(button, async () => {
        await this.desk.ask(name === "ease" ? "resume" : name, { run: this.run.id, eased: name === "ease" });
        this.tell("", name === "stop" ? "Asked to stop; it saves after this step." : "");
        await this.desk.look();
      });
    }

    use(point, button) {
      return this.busy(button, async () => {
        this.tell("", "The model is being loaded…");
        const begun = await this.desk.ask("use", { run: this.run.id, point });
        const { name } = await this.desk.task(begun.task);
        this.tell("good", `The studio makes its pictures with ${name} now, for everybody here.`);
        window.dispatchEvent(new Event("siamese-model"));
        await this.desk.look(true);
      });
    }

    pack(button) {
      return this.busy(button, async () => {
        const whole = await this.desk.question(
          "Take the pictures along?", "The zip trains this model on a machine with a scheduler or without. With the pictures inside it " +
          "can be started at once; whoever holds the zip holds the pictures. Without them, it names their digests and asks for a path there.",
          [["Without the pictures", "without"], ["With the pictures", "with"]]
        );
        if (!whole) return;
        this.tell("", "Packing…");
        const begun = await this.desk.ask("pack", { run: this.run.id, pictures: whole === "with" });
        const made = await this.desk.task(begun.task);
        await space.fetched(this.desk, made);
        this.tell("good", `${made.file}, ${(made.size / 1e6).toFixed(1)} MB. Bring the finished run back by dropping its zip on this page.`);
      });
    }

    async busy(button, work) {
      button.disabled = true;
      try {
        await work();
      } catch (error) {
        this.tell("bad", error.message);
      } finally {
        button.disabled = false;
        if (button.isConnected && !button.hidden && document.activeElement === document.body) button.focus();
      }
    }

    tell(kind, text) {
      this.said.dataset.kind = kind;
      this.said.textContent = text;
    }
  }

  function count(number) {
    return number.toLocaleString("en");
  }

  /** @param {number} seconds */
  space.span = function (seconds) {
    if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
    return `${(seconds / 3600).toFixed(1)} h`;
  };

  space.RunView = RunView;
})();
