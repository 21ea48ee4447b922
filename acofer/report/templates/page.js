"use strict";
(() => {
  const spoken = document.getElementById("spoken");

  // Sorting: within each group of rows; cells without a value stand last, whichever way.
  const sort = (table, head) => {
    const position = head.cellIndex;
    const isNumber = head.classList.contains("number");
    const isDown = head.hasAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : isNumber;
    const compare = (a, b) => (isNumber ? a - b : a.localeCompare(b));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
    for (const body of table.tBodies) {
      const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
      const value = (row) => row.cells[position].dataset.sort;
      rows.sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
        return isDown ? compare(y, x) : compare(x, y);
      });
      body.append(...rows);
    }
    spoken.textContent = `Sorted by ${head.querySelector("button").textContent}, ${head.getAttribute("aria-sort")}`;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    for (const head of table.querySelectorAll("th[data-sortable]")) {
      const title = head.querySelector(".title");
      const button = document.createElement("button");
      button.type = "button";
      title.replaceWith(button);
      button.append(title);
      button.addEventListener("click", () => sort(table, head));
    }
  }

  // Light and dark: as the system says, or as the reader does; a page opened from a disk may have no store.
  const words = { "": "system", light: "light", dark: "dark" };
  const order = Object.keys(words);
  const theme = document.getElementById("theme");
  const show = (choice) => {
    if (choice) document.documentElement.dataset.theme = choice;
    else delete document.documentElement.dataset.theme;
    theme.textContent = `Theme: ${words[choice]}`;
  };
  const recall = () => {
    try { return localStorage.getItem("acofer-theme") || ""; } catch { return ""; }
  };
  let choice = order.includes(recall()) ? recall() : "";
  show(choice);
  theme.hidden = false;
  theme.addEventListener("click", () => {
    choice = order[(order.indexOf(choice) + 1) % order.length];
    show(choice);
    try { localStorage.setItem("acofer-theme", choice); } catch { /* then it holds for this view */ }
  });
})();
