// Sort tables, filter methods, show the rows behind a number. Without script the page reads the same, best method first.
"use strict";

for (const button of document.querySelectorAll("main th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, row = head.parentElement, body = head.closest("table").tBodies[0];
    const first = head.cellIndex === 0 || /place|rank|failed|fit|memory|steps|parameters|↓/.test(button.textContent) ? "ascending" : "descending";
    const other = first === "ascending" ? "descending" : "ascending";
    const way = head.getAttribute("aria-sort") === first ? other : first;
    for (const cell of row.children) cell.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", way);
    const sign = way === "ascending" ? 1 : -1;
    const value = (line) => line.children[head.cellIndex].dataset.value ?? "";
    const order = (a, b) => {
      const x = value(a), y = value(b);
      if (x === "" || y === "") return (x === "") - (y === ""); // what is missing stays at the end
      return sign * (isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y);
    };
    body.append(...[...body.rows].sort(order));
    for (const line of body.rows) line.classList.remove("band"); // bands belong to the order by place
  });
}

document.querySelector("#filter").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const named of document.querySelectorAll("[data-name]")) named.hidden = !named.dataset.name.includes(wanted);
});

const held = JSON.parse(document.querySelector("#data").textContent), dialog = document.querySelector("#rows");

// Rows are written as text, never as HTML: their names are anybody's.
const show = ([method, task, runs]) => {
  dialog.querySelector("h2").textContent = `${held.methods[method]} on ${held.tasks[task]}`;
  dialog.querySelector("tbody").replaceChildren(...runs.map(([seed, key, score, skill, seconds, status = "ok"]) => {
    const line = document.createElement("tr");
    for (const told of [seed, score, skill, status, seconds]) line.insertCell().textContent = told ?? "";
    line.insertCell().append(Object.assign(document.createElement("code"), { textContent: `dynamark reproduce ${key}` }));
    return line;
  }));
  dialog.showModal();
};
const follow = () => {
  const entry = held.rows[/^#r(\d+)$/.exec(location.hash)?.[1]];
  if (entry) show(entry);
};
addEventListener("hashchange", follow);
dialog.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
follow();
