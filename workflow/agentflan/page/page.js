// The page around the lineages: arrow keys in tables, the filter by verdict, and the theme.

// Tab goes from table to table; inside one, arrows move between its numbers, Home and End along a row.
for (const table of document.querySelectorAll('table[role="grid"]')) {
  const rows = [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.querySelector("[data-number]")));
  const first = rows.flat().find(Boolean);
  for (const button of rows.flat().filter(Boolean)) button.tabIndex = button === first ? 0 : -1;
  table.addEventListener("keydown", (event) => {
    const button = event.target.closest("[data-number]");
    const next = button && neighbour(rows, button, event.key);
    if (!next) return;
    event.preventDefault();
    focusOn(table, next);
  });
  table.addEventListener("focusin", (event) => {
    if (event.target.closest("[data-number]")) focusOn(table, event.target.closest("[data-number]"));
  });
}

function neighbour(rows, button, key) {
  const row = rows.findIndex((each) => each.includes(button));
  const column = rows[row].indexOf(button);
  const right = rows[row].slice(column + 1);
  const left = rows[row].slice(0, column).reverse();
  const down = rows.slice(row + 1).map((each) => each[column]);
  const up = rows.slice(0, row).reverse().map((each) => each[column]);
  const ways = { ArrowRight: right, ArrowLeft: left, ArrowDown: down, ArrowUp: up, Home: rows[row], End: [...rows[row]].reverse() };
  return (ways[key] || []).find(Boolean);
}

function focusOn(table, button) {
  for (const each of table.querySelectorAll('[data-number][tabindex="0"]')) each.tabIndex = -1;
  button.tabIndex = 0;
  if (document.activeElement !== button) button.focus();
}

// The filter fades numbers and hides figures and artefacts of other verdicts than the chosen ones; none chosen shows all.
const filters = [...document.querySelectorAll("[data-filter]")];
const filtered = [...document.querySelectorAll("main [data-verdict]")];
for (const filter of filters) {
  filter.addEventListener("click", () => {
    filter.setAttribute("aria-pressed", String(filter.getAttribute("aria-pressed") !== "true"));
    const chosen = filters.filter((each) => each.getAttribute("aria-pressed") === "true").map((each) => each.dataset.filter);
    for (const each of filtered) each.classList.toggle("off", chosen.length > 0 && !chosen.includes(each.dataset.verdict));
    const left = filtered.filter((each) => !each.classList.contains("off"));
    document.getElementById("filtered").textContent = chosen.length ? `${left.length} of ${filtered.length}` : "";
    if (chosen.length) document.querySelector("#artefacts details").open = true;
  });
}

// Paper cannot unfold anything: what is folded on the screen is printed, then folded again.
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("main details:not([open])")];
  for (const each of unfolded) each.open = true;
});
addEventListener("afterprint", () => {
  for (const each of unfolded) each.open = false;
});

// The theme: as the system has it, light, or dark; remembered where the browser lets a file remember.
const THEMES = ["", "light", "dark"];
const themeButton = document.getElementById("theme");

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  themeButton.textContent = `Theme: ${theme || "as the system"}`;
}

function remembered() {
  try {
    return localStorage.getItem("theme") || "";
  } catch {
    return "";
  }
}

themeButton.addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme || "") + 1) % THEMES.length];
  setTheme(next);
  try {
    localStorage.setItem("theme", next);
  } catch {
    // not remembered
  }
});
setTheme(remembered());
