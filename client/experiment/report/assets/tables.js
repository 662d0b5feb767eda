// Tables sort by the column whose title is pressed: up, down, and back to the order they came in.
(() => {
  const NEXT = { none: "ascending", ascending: "descending", descending: "none" };

  function compare(column, isNumber, sign) {
    const value = (row) => {
      const cell = row.cells[column];
      if (!isNumber) return cell.textContent;
      return cell.dataset.value === undefined ? null : Number(cell.dataset.value.replace("inf", "Infinity"));
    };
    return (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null);  // what is missing comes last
      if (isNumber) return x === y ? 0 : sign * (x < y ? -1 : 1);
      return sign * x.localeCompare(y, "en", { numeric: true });
    };
  }

  for (const table of document.querySelectorAll("figure.table table")) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    heads.forEach((head, column) => {
      head.setAttribute("aria-sort", "none");
      head.querySelector("button").addEventListener("click", () => {
        const order = NEXT[head.getAttribute("aria-sort")];
        for (const other of heads) other.setAttribute("aria-sort", "none");
        head.setAttribute("aria-sort", order);
        const sign = order === "descending" ? -1 : 1;
        const isNumber = head.classList.contains("number");
        body.append(...(order === "none" ? rows : rows.toSorted(compare(column, isNumber, sign))));
      });
    });
  }
})();
