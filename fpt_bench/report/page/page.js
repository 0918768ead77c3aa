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

// Columns of numbers stand at the right; those of a piece that was read in later, too.
function dress(root) {
  for (const header of root.querySelectorAll("th[aria-sort]")) {
    const column = [...header.closest("table").tBodies[0].rows].map((row) => row.cells[header.cellIndex]);
    header.classList.toggle("number", column.some((cell) => cell.dataset.order !== undefined));
  }
}

// The file of details beside the page assigns them to one name; it is read once, and only when asked for.
let details = null;
function readDetails() {
  details ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.nonce = document.body.dataset.nonce;
    script.src = document.body.dataset.details;
    script.onload = () => resolve(globalThis.fptBenchDetails);
    script.onerror = reject;
    document.head.append(script);
  });
  return details;
}

async function fill(piece) {
  const name = piece.dataset.piece;
  if (name === undefined) return;
  delete piece.dataset.piece;
  try {
    piece.insertAdjacentHTML("beforeend", (await readDetails())[name]);
    dress(piece);
  } catch {
    const missing = document.createElement("p");
    missing.textContent = `Expected ${document.body.dataset.details} beside this page, could not read it.`;
    piece.append(missing);
  }
}

// A link to a run opens it: a closed <details> would hide what the reader asked for.
async function openTarget() {
  const id = decodeURIComponent(location.hash.slice(1));
  if (!id) return;
  const piece = document.getElementById(id) ?? document.querySelector("[data-piece=runs]");
  if (piece?.matches(".piece")) await fill(piece);
  const target = document.getElementById(id);
  for (let each = target; each; each = each.parentElement) if (each instanceof HTMLDetailsElement) each.open = true;
  target?.scrollIntoView();
}

// `name:value` is a run's own, any other word a part of what is known of it; all have to be found.
function search(field) {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const piece = field.closest(".piece");
  let count = 0;
  for (const run of piece.querySelectorAll("[data-find]")) {
    const known = ` ${run.dataset.find.toLowerCase()} `;
    run.hidden = !words.every((word) => known.includes(word.includes(":") ? ` ${word} ` : word));
    count += run.matches("tr") && !run.hidden;
  }
  piece.querySelector(".found").textContent = words.length ? `${count} found` : "";
}

async function followToRuns(link) {
  const piece = document.querySelector(link.getAttribute("href").replaceAll(".", "\\."));
  await fill(piece);
  const field = piece.querySelector(".search");
  field.value = link.dataset.search;
  search(field);
}

function openAll(button) {
  const runs = [...button.closest(".piece").querySelectorAll("details.run:not([hidden])")];
  const open = runs.some((run) => !run.open);
  for (const run of runs) run.open = open;
  button.textContent = open ? "Close all runs" : "Open all runs";
}

addEventListener("click", ({ target }) => {
  if (target.closest("th button")) sortBy(target.closest("th"));
  else if (target.closest(".open-all")) openAll(target.closest(".open-all"));
  else if (target.closest("[data-search]")) followToRuns(target.closest("[data-search]"));
});
addEventListener("input", ({ target }) => { if (target.matches(".search")) search(target); });
addEventListener("toggle", ({ target }) => { if (target.open) fill(target); }, true);
addEventListener("hashchange", openTarget);
dress(document);
openTarget();
