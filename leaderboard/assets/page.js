// Draw charts, sort tables, filter methods, show the rows behind a number. Without script the tables read the same, best method first.
"use strict";

for (const button of document.querySelectorAll("main th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, row = head.parentElement, body = head.closest("table").tBodies[0];
    const first = head.cellIndex === 0 || /place|rank|unsolved|failed|fit|size|memory|steps|parameters|↓/.test(button.textContent) ? "ascending" : "descending";
    const other = first === "ascending" ? "descending" : "ascending";
    const way = head.getAttribute("aria-sort") === first ? other : first;
    for (const cell of row.children) cell.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", way);
    const sign = way === "ascending" ? 1 : -1;
    const value = (line) => line.children[head.cellIndex].dataset.value ?? line.children[head.cellIndex].textContent;
    const order = (a, b) => {
      const x = value(a), y = value(b);
      if (x === "" || y === "") return (x === "") - (y === ""); // what is missing stays at the end
      return sign * (isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y);
    };
    body.append(...[...body.rows].sort(order));
    for (const line of body.rows) line.classList.remove("band"); // bands belong to the order by place
  });
}

// On a narrow screen the scores of a method stand below each other: each with the head of its column.
for (const table of document.querySelectorAll(".board table")) {
  const heads = [...table.tHead.rows[0].cells].map((head) => (head.matches(".task") ? head.title.split(": ")[0].split("/").pop() : head.textContent));
  for (const line of table.tBodies[0].rows) for (const cell of line.cells) if (cell.matches(".more")) cell.dataset.label = heads[cell.cellIndex];
}

document.querySelector("#filter").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const named of document.querySelectorAll("[data-name]")) named.hidden = !named.dataset.name.includes(wanted);
});

const data = JSON.parse(document.querySelector("#data").textContent), dialog = document.querySelector("#rows");

// What is folded or drawn, win rates and facts of boards are compressed, and so are rows, which are unpacked when the first is asked for.
const unpack = async (name) => {
  const bytes = Uint8Array.from(atob(document.querySelector(name).textContent), (sign) => sign.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
};
let rows;
const inside = unpack("#inside").then(({ elements, ...others }) => {
  document.querySelectorAll("svg.chart, svg.map, pre.bibtex, details.more, ul.folded").forEach((place, k) => { place.innerHTML = elements[k]; });
  return others;
});

// Rows are written as text, never as HTML: their names are anybody's.
const show = ([method, task, runs]) => {
  dialog.querySelector("h2").textContent = `${data.methods[method]} on ${data.tasks[task]}`;
  dialog.querySelector("tbody").replaceChildren(...runs.map(([seed, key, score, skill, seconds, status = "ok"]) => {
    const line = document.createElement("tr");
    for (const value of [seed, score, skill === null ? null : skill / 1000, status, seconds]) line.insertCell().textContent = value ?? "";
    line.insertCell().append(Object.assign(document.createElement("code"), { textContent: `dynamark reproduce ${key}` }));
    return line;
  }));
  dialog.showModal();
};
const follow = async () => {
  const place = /^#r(\d+)$/.exec(location.hash)?.[1];
  if (place === undefined) return;
  rows ??= unpack("#packed");
  const entry = (await rows)[place];
  if (entry) show(entry);
};

// Which method for my problem? Boards with tasks like it, and their methods by the mean over these tasks.
const picker = document.querySelector("#picker");
const text = (tag, words, inside = {}) => Object.assign(document.createElement(tag), { textContent: words, ...inside });
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const suggest = (board, wanted, limit) => {
  const fits = board.tasks.flatMap((task, place) => (task && wanted.every(([name, value]) => task[name] === value) ? [place] : []));
  const methods = board.methods.map(([name, values, seconds]) => ({
    name, value: mean(fits.map((k) => values[k])), seconds: Math.max(...fits.map((k) => seconds[k] ?? Infinity)),
  })).filter((method) => method.seconds <= limit);
  return { board, fits, methods: methods.sort((a, b) => (board.ranked ? a.value - b.value : b.value - a.value)) };
};
const answer = (boards) => {
  const { seconds, ...chosen } = Object.fromEntries(new FormData(picker.querySelector("form")));
  const wanted = Object.entries(chosen).filter(([, value]) => value !== ""), place = picker.querySelector(".answer");
  if (!wanted.length && !seconds) return place.replaceChildren(text("p", "Choose what your problem is like; boards with such tasks answer."));
  const fitting = boards.map((board) => suggest(board, wanted, seconds ? Number(seconds) : Infinity)).filter(({ fits }) => fits.length);
  if (!fitting.length) return place.replaceChildren(text("p", "No board has a task like this. Relax a choice."));
  place.replaceChildren(...fitting.map(({ board, fits, methods }) => {
    const card = text("article", "", { className: board.accent }), title = text("h3", ""), list = document.createElement("ol");
    title.append(text("a", board.name, { href: `#${board.id}` }));
    list.append(...methods.slice(0, 3).map(({ name, value, seconds }) => {
      const line = text("li", `${name} `);
      line.append(text("span", `${board.ranked ? "mean rank " : "skill "}${value.toFixed(board.ranked ? 1 : 2)}`
        + (isFinite(seconds) ? `, ${Number(seconds.toPrecision(2))} s` : "")));
      return line;
    }));
    card.append(title, text("small", `${board.question} ${fits.length} of ${board.tasks.length} tasks are like yours.`));
    card.append(methods.length ? list : text("p", "No method is that fast here."));
    return card;
  }));
};
if (picker) inside.then(({ boards }) => {
  picker.hidden = false;
  picker.querySelector("form").addEventListener("input", () => answer(boards));
  picker.querySelector("form").addEventListener("reset", () => setTimeout(answer, 0, boards));
  picker.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  answer(boards);
});

// The pair under the pointer of a map of win rates, with the interval of Wilson 1927.
const wilson = (p, n, z = 1.959964) => {
  const center = p + z * z / (2 * n), half = z * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)), whole = 1 + z * z / n;
  return [Math.max(0, (center - half) / whole), Math.min(1, (center + half) / whole)];
};
inside.then(({ wins: all }) => {
  for (const map of document.querySelectorAll("svg.map")) {
    const { names, cells, wins } = all[map.dataset.board], told = map.closest(".wins").querySelector("output");
    const read = (event) => {
      const box = map.getBoundingClientRect(), [left, top, size] = map.dataset.grid.split(" ").map(Number);
      const i = Math.floor((event.clientY - box.top - top) / size), j = Math.floor((event.clientX - box.left - left) / size);
      if (i === j || wins[i]?.[j] === undefined) return;
      const share = wins[i][j] / (2 * cells), [low, high] = wilson(share, cells).map((end) => Math.round(100 * end));
      told.textContent = `${names[i]} beats ${names[j]} on ${Math.round(100 * share)} % of ${cells} runs (95 % interval ${low} to ${high} %)`;
    };
    map.addEventListener("pointermove", read);
    map.addEventListener("click", read);
  }
});
addEventListener("hashchange", follow);
dialog.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
follow();
