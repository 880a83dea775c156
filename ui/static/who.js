/* Who is drawing: a name chosen at first start, so that two people on one studio never see each other's drawings.
   Not asked where there is a login. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const STORE = "siamese-name";
  const LONGEST = 40; // characters
  let asked = null;

  /** The name of this browser's person; asks once, the same promise for everybody who wants to know. */
  space.who = function () {
    if (!asked) asked = remembered() ? Promise.resolve(remembered()) : ask();
    return asked.then((name) => {
      show(name);
      return name;
    });
  };

  function remembered() {
    return space.memory.get(STORE).slice(0, LONGEST);
  }

  function ask() {
    const { make } = space;
    const input = make("input", { type: "text", class: "mc-search", maxlength: LONGEST, autocomplete: "off", "aria-label": "Your name" });
    const start = make("button", { type: "submit", class: "mc-button mc-apply" }, "Start");
    const form = make("form", { class: "who-form" }, input, start);
    const dialog = make(
      "dialog", { class: "mc-dialog", "aria-label": "Your name" }, make("h2", {}, "Who is drawing?"),
      make("p", {}, "Your drawings and pictures are kept under this name, apart from everybody else's. " +
        "With the same name they are there in another browser too. The name stays on this computer."),
      form
    );
    dialog.addEventListener("cancel", (event) => event.preventDefault()); // Escape does not skip it
    document.body.append(dialog);
    dialog.showModal();
    input.focus();
    return new Promise((done) =>
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        const name = input.value.trim().replace(/\s+/g, " ");
        if (!name) {
          input.focus();
          return;
        }
        space.memory.set(STORE, name);
        dialog.close();
        dialog.remove();
        done(name);
      })
    );
  }

  /** The name in the header, and the way to another one. */
  function show(name) {
    const header = document.querySelector("header.top");
    if (!header || document.getElementById("who")) return;
    const title = `You draw as ${name}; change the name`;
    const button = space.make("button", { type: "button", id: "who", class: "mc-chip", title, "aria-label": title }, name);
    button.addEventListener("click", async () => {
      await window.__mask.flush();
      space.memory.remove(STORE);
      location.reload();
    });
    header.append(button);
  }
})();
