/* The information sheet and the consent: nothing is shown of the study's pictures before it. */
(function () {
  "use strict";
  const space = (window.SiameseRating = window.SiameseRating || {});

  /** @param {object} desk {sheet, words, send(name, body), say(kind, text)} @returns {HTMLElement} */
  space.informationPage = function (desk) {
    const { make } = space;
    const { sheet, words } = desk;
    const { texts } = sheet;
    const told = sheet.told ? [make("h2", {}, words.told), ...space.paragraphs(sheet.told)] : [];
    const facts = [
      [words.run_by, sheet.organiser],
      [words.contact, texts.contact],
    ].filter(([, value]) => value);
    const none = ["", words.no_answer];
    const same = (values) => values.map((value) => [value, value]);
    const role = space.choices(words.role, "role", [...same(sheet.roles), none]);
    const years = space.choices(words.years, "years", [...same(words.year_bands), none]);
    const send = () => {
      if (role.value() === null || years.value() === null) desk.say("note", words.choose_first);
      else desk.send("consent", { role: role.value(), years: years.value() });
    };
    return make(
      "article",
      { class: "rt-sheet" },
      make("h1", {}, sheet.title),
      ...space.paragraphs(texts.information),
      ...told,
      ...[texts.storage, texts.retention, texts.rights].flatMap(space.paragraphs),
      make("dl", {}, ...facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])),
      make("p", { class: "rt-soft" }, space.fill(words.sheet_version, { version: texts.version })),
      role.element,
      years.element,
      make("div", { class: "rt-acts" }, make("button", { type: "button", class: "rt-button strong", id: "rt-consent", click: send }, texts.consent))
    );
  };
})();
