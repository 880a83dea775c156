/* Small things that all parts of the rating page use. */
(function () {
  "use strict";
  const space = (window.SiameseRating = window.SiameseRating || {});

  /** An element. @param {string} name @param {object} attributes a function becomes a listener @param {...(Node|string)} inside */
  space.make = function (name, attributes, ...inside) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (typeof value === "function") element.addEventListener(key, value);
      else if (value === true) element.setAttribute(key, "");
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
    }
    element.append(...inside);
    return element;
  };

  /** A text with each {name} replaced. */
  space.fill = function (text, values) {
    return Object.entries(values).reduce((said, [name, value]) => said.split(`{${name}}`).join(String(value)), text);
  };

  /** Paragraphs of a text of the organiser, split at its line ends. */
  space.paragraphs = (text) => text.split("\n").filter((line) => line.trim()).map((line) => space.make("p", {}, line));

  /** 32 random hexadecimal characters, also without TLS. */
  space.fresh = function () {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };

  /** A short name of a secret (FNV-1a), so that two links in one browser do not share what is kept here. */
  space.alias = function (secret) {
    let hash = 0x811c9dc5;
    for (const character of secret) hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193);
    return (hash >>> 0).toString(16).padStart(8, "0");
  };

  /** What stays in this browser; a browser that keeps nothing costs no answer, only what a reload would find. */
  space.Shelf = class {
    /** @param {() => Storage} area may throw @param {string} name */
    constructor(area, name) {
      this.area = area;
      this.name = name;
    }

    get() {
      try {
        return JSON.parse(this.area().getItem(this.name));
      } catch {
        return null;
      }
    }

    set(value) {
      try {
        if (value === null) this.area().removeItem(this.name);
        else this.area().setItem(this.name, JSON.stringify(value));
      } catch {
        /* full or forbidden */
      }
    }
  };

  space.pause = (ms) => new Promise((done) => setTimeout(done, ms));

  /** Choices of which none is chosen beforehand. @returns {{element: HTMLElement, value: () => ?string}} */
  space.choices = function (legend, name, options, changed) {
    const { make } = space;
    const field = make("fieldset", { class: "rt-choices" }, make("legend", {}, legend));
    const inputs = options.map(([value, text]) => {
      const input = make("input", { type: "radio", name, value, change: changed });
      field.append(make("label", {}, input, make("span", {}, text)));
      return input;
    });
    const chosen = () => inputs.find((input) => input.checked);
    return { element: field, value: () => (chosen() ? chosen().value : null) };
  };

  /** A question before something that cannot be undone; staying is the default. @returns {Promise<boolean>} */
  space.ask = function (root, words, text) {
    const { make } = space;
    return new Promise((answer) => {
      const close = (value) => {
        dialog.remove();
        answer(value);
      };
      const no = make("button", { type: "button", class: "rt-button strong", id: "rt-no", click: () => close(false) }, words.withdraw_no);
      const yes = make("button", { type: "button", class: "rt-button", id: "rt-yes", click: () => close(true) }, words.withdraw_yes);
      const dialog = make("dialog", { class: "rt-ask", cancel: () => close(false) }, make("p", {}, text), make("div", { class: "rt-acts" }, no, yes));
      root.append(dialog);
      dialog.showModal();
      no.focus();
    });
  };
})();
