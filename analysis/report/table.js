// The table of the minima: sorted by any column, a page at a time.

const PAGE = 15,
  MOST_COLUMNS = 10;

function buildTable(parent) {
  if (!minima.number.length) return;
  const shown = minima.columns.filter((column) => !/^(phi|psi|pc)_/.test(column.key)).slice(0, MOST_COLUMNS);
  const state = { column: columnOf.energy || shown[0] || null, isRising: true, page: 0, rows: [] };
  const head = make("tr"),
    body = make("tbody"),
    place = make("span", { class: "note" });
  const back = make("button", { onclick: () => turn(-1) }, "‹ back"),
    on = make("button", { onclick: () => turn(1) }, "on ›");
  const links = make(
    "a",
    { onclick: () => save("minima.csv", "text/csv", csvText(dataOfColumns(minima.columns))) },
    "CSV, all properties",
  );
  const caption = make(
    "figcaption",
    {},
    make("b", {}, "Table of all minima"),
    make("span", { class: "spring" }),
    place,
    back,
    on,
    links,
  );
  const table = make("table", {}, make("thead", {}, head), body);
  parent.append(make("figure", {}, caption, make("div", { class: "numbers" }, table)));

  function sort() {
    const value = (row) => (state.column ? state.column.values[row] : row);
    const sign = state.isRising ? 1 : -1;
    state.rows = [...minima.number].sort((a, b) => {
      const [one, other] = [value(a), value(b)];
      if (one === null || other === null) return (one === null) - (other === null) || a - b;
      return sign * (one < other ? -1 : one > other ? 1 : 0) || a - b;
    });
  }
  function turn(by) {
    state.page += by;
    fill();
  }
  function fill() {
    const last = Math.ceil(state.rows.length / PAGE) - 1;
    state.page = Math.min(Math.max(state.page, 0), last);
    back.disabled = state.page === 0;
    on.disabled = state.page === last;
    const start = state.page * PAGE,
      end = Math.min(start + PAGE, state.rows.length);
    place.textContent = `${start + 1} to ${end} of ${state.rows.length.toLocaleString("en")}`;
    head.replaceChildren(heading("minimum", null), ...shown.map((column) => heading(named(column), column)));
    body.replaceChildren(...state.rows.slice(start, end).map(line));
  }
  function heading(name, column) {
    const arrow = state.column === column ? (state.isRising ? " ▲" : " ▼") : "";
    const attributes = { class: column && column.kind === "group" ? "sorts words" : "sorts" };
    return make(
      "th",
      {
        ...attributes,
        onclick: () => {
          state.isRising = state.column === column ? !state.isRising : true;
          Object.assign(state, { column, page: 0 });
          sort();
          fill();
        },
      },
      name + arrow,
    );
  }
  function line(minimum) {
    const cells = shown.map((column) =>
      make("td", column.kind === "group" ? { class: "words" } : {}, text(column.values[minimum])),
    );
    const classes = minimum === chosen.minimum ? "picks chosen" : "picks";
    return make(
      "tr",
      { class: classes, "data-minimum": minimum, onclick: () => choose(minimum) },
      make("td", {}, String(minimum)),
      ...cells,
    );
  }
  sort();
  fill();
  onChoice((minimum) => {
    state.page = Math.floor(state.rows.indexOf(minimum) / PAGE);
    fill();
  });
}
