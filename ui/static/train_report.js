/* What looking through somebody's pictures found, and the few choices before they are brought in. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const AT_ONCE = 12; // small pictures shown before more are asked for
  const SEVERITY = { cure: "✕ to be cured first", "left out": "⚠ can be left out", note: "ℹ to know" };
  const TEXT = { blank: "blank it", "leave-out": "leave the picture out", keep: "keep it" };

  class ReportView {
    /**
     * @param {HTMLElement} element
     * @param {object} desk see train.js
     * @param {object} report as the server function `inspect` tells
     * @param {{bring: (name: string, choices: object) => void, discard: () => void}} host
     */
    constructor(element, desk, report, host) {
      const { make } = space;
      this.desk = desk;
      this.report = report;
      this.textOf = {};
      this.split = make("p", { id: "train-split" }, "…");
      this.name = make("input", { type: "text", class: "tr-input", id: "train-dataset-name", maxlength: "40", autocomplete: "off", value: report.proposal || "" });
      this.bring = make("button", { type: "button", class: "tr-button strong", id: "train-bring" }, "Bring them in");
      const discard = make("button", { type: "button", class: "tr-button", id: "train-discard" }, "Do not bring in");
      this.why = make("p", { class: "tr-problem", role: "status" });
      const parts = [make("h3", { tabindex: "-1" }, "What was found"), this.summary()];
      if (report.problems.length) parts.push(this.problems());
      if (report.texts.length) parts.push(this.texts());
      if (report.duplicates.length) parts.push(this.duplicates());
      const own = Object.keys(report.splits).length > 0;
      this.resplit = this.tick("train-resplit", "Divide them anew, without the parts they came with");
      parts.push(make("h4", {}, "Parts"), this.split, ...(own ? [this.resplit.label] : []), this.privacy());
      const broken = report.problems.some((one) => one.severity === "left out");
      this.leave = this.tick("train-leave-out", "Leave out the pictures with problems");
      if (broken) parts.push(this.leave.label);
      const field = space.field("Name of these pictures", this.name, "Small letters, digits and -; it appears in every model trained on them.");
      parts.push(field, this.why, make("div", { class: "tr-acts" }, discard, this.bring));
      element.replaceChildren(make("div", { class: "tr-report" }, ...parts));
      element.querySelector("h3").focus();
      this.bring.addEventListener("click", () => host.bring(this.name.value, this.choices()));
      discard.addEventListener("click", () => host.discard());
      this.plan();
    }

    summary() {
      const { report } = this;
      const size = (s) => `${s[1]}×${s[0]}`;
      const rows = [
        ["Layout", report.layout],
        ["Pictures", `${report.usable} usable of ${report.cases}`],
        ["Sizes", size(report.smallest) === size(report.largest) ? size(report.largest) : `${size(report.smallest)} to ${size(report.largest)}`],
        ["Without a lesion", report.empty ? String(report.empty) : ""],
        ["Classes", report.classes.join(", ")],
        ["Centres", Object.keys(report.styles).length > 1 ? Object.entries(report.styles).map(([name, n]) => `${name} (${n})`).join(", ") : ""],
        ["Belong together", report.group_rule],
      ];
      return space.make("dl", { class: "tr-figures" }, ...rows.filter(([, value]) => value).map(([name, value]) =>
        space.make("div", {}, space.make("dt", {}, name), space.make("dd", {}, value))));
    }

    problems() {
      const { make } = space;
      const list = make("ul", { class: "tr-found" });
      for (const one of this.report.problems) {
        const line = make("li", {}, make("strong", {}, SEVERITY[one.severity] || one.severity), " ", one.text);
        if (one.stems.length) line.append(this.pictures(one.stems, one.count, () => null));
        list.append(line);
      }
      return make("section", {}, make("h4", {}, "Problems"), list);
    }

    texts() {
      const { make } = space;
      const stems = this.report.texts;
      this.forAll = make("select", { class: "tr-select", id: "train-text", "aria-label": "Burnt-in text, for all pictures" }, ...options());
      this.forAll.addEventListener("change", () => this.plan());
      const each = (stem) => {
        const select = make("select", { class: "tr-select", "aria-label": "Burnt-in text of this picture" }, make("option", { value: "" }, "as all"), ...options());
        select.addEventListener("change", () => {
          if (select.value) this.textOf[stem] = select.value;
          else delete this.textOf[stem];
          this.plan();
        });
        return select;
      };
      const words = `${space.counted(stems.length, "picture has", "pictures have")} burnt-in text, which may name a patient (dashed box). For all of them:`;
      const made = make("section", { id: "train-texts" }, make("h4", {}, "Burnt-in text"), make("p", {}, words, " ", this.forAll));
      made.append(this.pictures(stems, stems.length, each, true));
      made.append(make("p", { class: "tr-soft" }, "Text is found by its shape: some may be missed, and single letters may stay. Look at the pictures before you pass anything on; what must not stay, leave out."));
      return made;
    }

    duplicates() {
      const { make } = space;
      const pairs = this.report.duplicates;
      const list = make("ul", { class: "tr-pairs" });
      const show = (from) => {
        const some = pairs.slice(from, from + AT_ONCE / 2);
        for (const pair of some) {
          const images = [pair.one, pair.other].map((stem) => make("img", { alt: "", "data-stem": stem }));
          list.append(make("li", {}, ...images, make("small", {}, `${Math.round(100 * pair.correlation)} % alike`)));
        }
        this.fill([...list.querySelectorAll("img:not([src])")]);
      };
      show(0);
      this.join = this.tick("train-join", "Keep near-duplicates in the same part", true);
      const made = make("section", {}, make("h4", {}, "Nearly the same picture"), make("p", {}, `${space.counted(pairs.length, "pair")} of pictures, perhaps turned or mirrored.`), list);
      if (pairs.length > AT_ONCE / 2) made.append(this.more(() => {
        show(list.children.length);
        return list.children.length < pairs.length;
      }));
      made.append(this.join.label);
      return made;
    }

    privacy() {
      const { make } = space;
      const taken = Object.entries(this.report.stripped).map(([kind, n]) => `${kind} (${n})`).join(", ");
      const words = [
        taken ? `What cameras and programs wrote beside the pixels is taken out: ${taken}.` : "Only pixels are taken over, nothing that cameras or programs wrote beside them.",
        "The pictures get neutral numbers. Their names stay in key.csv of this workspace, which no export and no zip for a cluster contains. The originals are not altered.",
      ];
      return make("section", {}, make("h4", {}, "Private"), make("p", { class: "tr-soft" }, words.join(" ")));
    }

    /** A grid of small pictures that are fetched when asked for. @param {(stem: string) => Element|null} below */
    pictures(stems, count, below, open = false) {
      const { make } = space;
      const grid = make("div", { class: "tr-grid" });
      const show = () => {
        const some = stems.slice(grid.children.length, grid.children.length + AT_ONCE);
        const made = some.map((stem) => {
          const cell = make("figure", {}, make("img", { alt: "", "data-stem": stem }), make("figcaption", {}, stem));
          const control = below(stem);
          if (control) cell.append(control);
          return cell;
        });
        grid.append(...made);
        this.fill(made.map((cell) => cell.querySelector("img")));
        return grid.children.length < stems.length;
      };
      const fold = make("details", { class: "tr-fold" }, make("summary", {}, `Show ${space.counted(count, "picture")}`), grid);
      let begun = false;
      fold.addEventListener("toggle", () => {
        if (!fold.open || begun) return;
        begun = true;
        if (show()) grid.after(this.more(show));
      });
      if (open) fold.open = true;
      return fold;
    }

    more(show) {
      const button = space.make("button", { type: "button", class: "tr-button" }, "Show more");
      button.addEventListener("click", () => {
        if (!show()) button.remove();
      });
      return button;
    }

    async fill(images) {
      const wanted = images.filter((image) => !image.hasAttribute("src"));
      try {
        for (let at = 0; at < wanted.length; at += 24) {
          const some = wanted.slice(at, at + 24);
          const { thumbs } = await this.desk.ask("shown", { report: this.report.report, stems: some.map((image) => image.dataset.stem) });
          for (const image of some) {
            const png = thumbs[image.dataset.stem];
            if (png) image.src = "data:image/png;base64," + png;
            else image.replaceWith(space.make("span", { class: "tr-soft" }, "no picture"));
          }
        }
      } catch (error) {
        this.why.textContent = error.message;
      }
    }

    tick(id, words, checked = false) {
      const box = space.make("input", { type: "checkbox", id });
      box.checked = checked;
      box.addEventListener("change", () => this.plan());
      return { box, label: space.make("label", { class: "tr-inline" }, box, ` ${words}`) };
    }

    choices() {
      return {
        text: this.forAll ? this.forAll.value : "blank",
        text_of: this.textOf,
        leave_out: this.leave.box.checked,
        resplit: this.resplit.box.checked,
        duplicates: this.join && !this.join.box.checked ? "keep" : "join",
      };
    }

    /** What the parts would be now, and whether the pictures can come in. */
    async plan() {
      const { report } = this;
      const can = this.leave.box.checked ? report.can_import_rest : report.can_import;
      this.bring.disabled = !can;
      this.why.textContent = can ? "" : report.can_import_rest ? "Tick the box to leave out the pictures with problems, or cure them first." : "These have to be cured before anything can be brought in.";
      const mine = (this.planning = {});
      try {
        const found = await this.desk.ask("split", { report: report.report, choices: this.choices() });
        if (mine !== this.planning) return;
        const { train = 0, val = 0, test = 0 } = found.counts;
        const kept = this.join && this.join.box.checked;
        const across = found.across ? ` Near-duplicates: ${space.counted(found.across, "pair")} ${kept ? "kept together" : "in two parts"}.` : "";
        this.split.textContent = `${train} to train on, ${val} to watch with, ${test} to test with (${found.method.replace(/\.$/, "")}).${across}`;
      } catch (error) {
        if (mine === this.planning) this.split.textContent = error.message;
      }
    }
  }

  function options() {
    return Object.entries(TEXT).map(([value, words]) => space.make("option", { value }, words));
  }

  space.ReportView = ReportView;
})();
