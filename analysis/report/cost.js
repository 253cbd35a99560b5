// Tables and bars: facts, outcomes, what moves cost and earned, violations.

function factTable(facts) {
  return make(
    "table",
    { class: "facts" },
    ...facts.map(([name, value]) => make("tr", {}, make("th", {}, name), make("td", {}, value))),
  );
}

function bars(parent, rows, colour) {
  const most = Math.max(...rows.map((row) => row.count));
  for (const row of rows) {
    const bar = make("i", { style: `width: ${(100 * row.count) / most}%; background: ${colour}` });
    parent.append(
      make(
        "div",
        { class: "bar", title: row.meaning },
        make("span", {}, row.name),
        bar,
        make("span", {}, row.count.toLocaleString("en")),
      ),
    );
  }
}

function barFigure(parent, { name, title, rows, colour, note }) {
  const links = make(
    "a",
    {
      onclick: () =>
        save(
          `${name}.csv`,
          "text/csv",
          csvText([["name", "count", "meaning"], ...rows.map((row) => [row.name, row.count, row.meaning])]),
        ),
    },
    "CSV",
  );
  const place = make("div");
  bars(place, rows, colour);
  parent.append(
    make(
      "figure",
      {},
      make("figcaption", {}, make("b", {}, title), make("span", { class: "spring" }), links),
      place,
      make("p", { class: "note" }, note),
    ),
  );
}

function buildEffort(parent) {
  const part = data.effort;
  if (leftOut(parent, part)) return;
  const rows = part.moves.map((move) => ({
    name: move.move.replaceAll("_", " "),
    count: move.evaluations,
    meaning: `${move.quenches} quenches`,
  }));
  if (rows.length)
    barFigure(parent, {
      name: "evaluations_by_move",
      title: "Force evaluations by move",
      rows,
      colour: data.colours.known,
      note: "",
    });
  const header = ["move", "quenches", "evaluations", "new minima", "evaluations for each"];
  const lines = part.moves.map((move) => [move.move, move.quenches, move.evaluations, move.minima, move.per_minimum]);
  const links = make("a", { onclick: () => save("moves.csv", "text/csv", csvText([header, ...lines])) }, "CSV");
  const table = make(
    "table",
    {},
    make("thead", {}, make("tr", {}, ...header.map((name, row) => make("th", row ? {} : { class: "words" }, name)))),
    make(
      "tbody",
      {},
      ...lines.map((line) =>
        make("tr", {}, ...line.map((value, row) => make("td", row ? {} : { class: "words" }, text(value)))),
      ),
    ),
  );
  parent.append(
    make(
      "figure",
      {},
      make("figcaption", {}, make("b", {}, "What each move earned"), make("span", { class: "spring" }), links),
      make("div", { class: "numbers" }, table),
    ),
  );
}

function buildViolations(parent) {
  const part = data.violations;
  if (!leftOut(parent, part)) {
    const total = part.kinds.reduce((sum, kind) => sum + kind.count, 0);
    barFigure(parent, {
      name: "violations",
      title: "Structures outside the chemistry of the input",
      rows: part.kinds,
      colour: data.colours.new,
      note:
        `${total.toLocaleString("en")} of ${part.n_quenches.toLocaleString("en")} quenches. They are kept apart from ` +
        "the minima, as evidence about the potential.",
    });
  }
  if (!data.effort.left_out) parent.append(make("h3", {}, "Timing"), factTable(data.effort.facts));
}
