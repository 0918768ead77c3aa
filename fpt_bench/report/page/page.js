"use strict";

// What the column holds decides how it is sorted: by its numbers where there are any, else by its words.
function compareIn(column) {
  const collator = new Intl.Collator("en", { numeric: true });
  return (first, second) => {
    const [a, b] = [first.cells[column], second.cells[column]];
    const [x, y] = [a.dataset.order, b.dataset.order];
    if (x !== undefined && y !== undefined) return Number(x) - Number(y);
    return collator.compare(a.textContent, b.textContent);
  };
}

function sortBy(header) {
  const table = header.closest("table");
  const body = table.tBodies[0];
  const descending = header.getAttribute("aria-sort") === "ascending";
  const compare = compareIn(header.cellIndex);
  const isEmpty = (row) => row.cells[header.cellIndex].textContent === "";
  const rows = [...body.rows].sort((a, b) => isEmpty(a) - isEmpty(b) || (descending ? compare(b, a) : compare(a, b)));
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
  body.append(...rows);
}

for (const header of document.querySelectorAll("th[aria-sort]")) {
  header.firstElementChild.addEventListener("click", () => sortBy(header));
  const column = [...header.closest("table").tBodies[0].rows].map((row) => row.cells[header.cellIndex]);
  header.classList.toggle("number", column.some((cell) => cell.dataset.order !== undefined));
}

// A link to a run opens it: a closed <details> would hide what the reader asked for.
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!(target instanceof HTMLDetailsElement)) return;
  target.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", openTarget);
openTarget();

for (const button of document.querySelectorAll(".open-all")) {
  button.addEventListener("click", () => {
    const runs = [...button.closest("section").querySelectorAll("details.run")];
    const open = runs.some((run) => !run.open);
    for (const run of runs) run.open = open;
    button.textContent = open ? "Close all runs" : "Open all runs";
  });
}
