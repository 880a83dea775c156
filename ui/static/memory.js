/* Small choices that this browser remembers; one that keeps nothing (private mode, storage full) forgets them. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});

  space.memory = {
    /** @returns {string} empty where nothing is remembered */
    get(key) {
      try {
        return localStorage.getItem(key) || "";
      } catch (error) {
        return "";
      }
    },

    set(key, value) {
      try {
        localStorage.setItem(key, value);
      } catch (error) {
        console.warn(`This browser does not remember ${key}:`, error);
      }
    },

    remove(key) {
      try {
        localStorage.removeItem(key);
      } catch (error) {
        console.warn(`This browser does not forget ${key}:`, error);
      }
    },
  };
})();
