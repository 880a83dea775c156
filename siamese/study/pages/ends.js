/* The pages between and after the pictures: pause, last page, thanks, withdrawn, a link that opens nothing. */
(function () {
  "use strict";
  const space = (window.SiameseRating = window.SiameseRating || {});
  const { make } = space;
  const LONGEST = 3000; // characters of a text

  const page = (title, ...inside) => ({ element: make("article", { class: "rt-sheet" }, make("h1", {}, title), ...inside) });
  const short = (title, ...inside) => ({ element: make("article", { class: "rt-sheet rt-short" }, make("h1", {}, title), ...inside) });

  /** Enter goes on, wherever the focus is but on another button. */
  const onEnter = (act) => (event) => {
    if (event.key !== "Enter" || event.target.tagName === "BUTTON") return false;
    act();
    return true;
  };

  space.pausePage = function (desk) {
    const on = () => desk.resume();
    const button = make("button", { type: "button", class: "rt-button strong", id: "rt-on", click: on }, desk.words.go_on);
    return { ...short(desk.sheet.title, ...space.paragraphs(desk.sheet.texts.pause), make("div", { class: "rt-acts" }, button)), key: onEnter(on) };
  };

  space.finishPage = function (desk) {
    const { words, sheet } = desk;
    const { texts } = sheet;
    const text = (label, name) => {
      const area = make("textarea", { name, rows: 3, maxlength: LONGEST });
      return [make("label", { class: "rt-text" }, make("span", {}, label), area), area];
    };
    const [cuesField, cues] = text(texts.cues, "cues");
    const [commentField, comment] = text(texts.comment, "comment");
    const values = ["yes", "no", "unsure"];
    const seen = space.choices(texts.seen_before, "seen_before", words.seen_choices.map((word, i) => [values[i], word]));
    const send = () => {
      if (seen.value() === null) desk.say("note", words.choose_first);
      else desk.send("finish", { cues: cues.value, seen_before: seen.value(), comment: comment.value });
    };
    const button = make("button", { type: "button", class: "rt-button strong", id: "rt-send", click: send }, words.send);
    return page(words.finish_title, cuesField, seen.element, commentField, make("p", { class: "rt-soft" }, words.no_names), make("div", { class: "rt-acts" }, button));
  };

  space.donePage = function (desk) {
    const { words, sheet, state } = desk;
    const result = state.result
      ? [make("h2", {}, words.result_title), make("p", { class: "rt-result" }, state.result.sentence), ...state.result.lines.map((line) => make("p", {}, line))]
      : [];
    return short(sheet.title, ...space.paragraphs(sheet.texts.thanks), ...result);
  };

  space.withdrawnPage = (desk) => short(desk.sheet.title, ...space.paragraphs(desk.words.withdrawn));

  space.linkPage = (words, sentence) => short(words.link_title, make("p", {}, sentence));

  space.waitingPage = (words) => short(words.opening);
})();
