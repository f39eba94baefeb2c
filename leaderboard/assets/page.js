// Sort a table by a column, and filter methods by name. Without script the page reads the same, best method first.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, row = head.parentElement, body = head.closest("table").tBodies[0];
    const up = head.getAttribute("aria-sort") === "descending";
    for (const other of row.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const at = [...row.children].indexOf(head);
    const value = (line) => line.children[at].dataset.value;
    const order = (a, b) => {
      const x = value(a), y = value(b);
      if (x === "" || y === "") return (x === "") - (y === ""); // what is missing stays at the end
      const sign = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return up ? sign : -sign;
    };
    body.append(...[...body.rows].sort(order));
  });
}
document.querySelector("#filter").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const line of document.querySelectorAll("tbody tr")) {
    line.hidden = !line.children[0].dataset.value.toLowerCase().includes(wanted);
  }
});
