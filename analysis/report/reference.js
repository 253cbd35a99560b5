// Energies of the potential against those of a reference, and which minima survive there.

function buildReference(parent) {
  if (leftOut(parent, data.reference)) return;
  data.reference.levels.forEach((level, row) => buildLevel(parent, level, row));
}

function buildLevel(parent, level, row) {
  const [left, right] = [make("div"), make("div")];
  parent.append(make("div", { class: "halves" }, left, right));
  right.append(make("h3", {}, `Relaxed at ${level.level}`), factTable(level.facts));
  const pairs = level.minimum
    .map((minimum, place) => [minimum, level.reference[place], level.potential[place], level.survives[place]])
    .filter((pair) => pair[1] !== null && pair[2] !== null);
  if (!pairs.length)
    return void left.append(make("p", { class: "empty" }, `No minimum has an energy at ${level.level}.`));
  const without = level.n_without ? ` ${level.n_without} without a reference energy are not shown.` : "";
  const frame = figure(left, {
    name: `reference_${row + 1}`,
    title: `Energies against ${level.level}`,
    ...HALF,
    height: 520,
    note:
      "At the minima as they are. The reference is shifted so that the mean difference is zero. Hollow: does not " +
      `survive.${without}`,
    csv: () => [
      ["minimum", "reference_kcal_per_mol", "potential_kcal_per_mol", "survives", "rmsd_angstrom"],
      ...level.minimum.map((minimum, place) => [
        minimum,
        level.reference[place],
        level.potential[place],
        level.survives[place] ? "yes" : "no",
        level.rmsd[place],
      ]),
    ],
  });
  const box = { ...HALF.box, height: 458 },
    range = widened(extent(pairs.flatMap((pair) => [pair[1], pair[2]])), 0.06);
  const x = scale(range, [box.left, box.left + box.width]),
    y = scale(range, [box.top + box.height, box.top]);
  draw(frame.svg, "path", {
    d: `M${x(range[0])} ${y(range[0])}L${x(range[1])} ${y(range[1])}`,
    stroke: "#aab3ba",
    "stroke-width": 1,
  });
  axes(frame.svg, { box, x, y, xLabel: "reference (kcal/mol)", yLabel: "potential of the run (kcal/mol)" });
  const points = [],
    ring = draw(frame.svg, "g", {});
  for (const [minimum, other, own, survives] of pairs) {
    const isNew = columnOf.new && columnOf.new.values[minimum] === "new",
      colour = isNew ? data.colours.new : data.colours.known;
    const dot = mark(frame.svg, x(other), y(own), 4, survives ? colour : "#fff", isNew);
    dot.setAttribute("stroke", survives ? "#fff" : colour);
    dot.setAttribute("stroke-width", survives ? 0.7 : 1.3);
    points.push([minimum, x(other), y(own)]);
  }
  picks(frame.svg, (px, py) => nearestPoint(points, px, py));
  onChoice((minimum) => {
    const found = points.find((point) => point[0] === minimum);
    ring.replaceChildren();
    if (found)
      draw(ring, "circle", { cx: found[1], cy: found[2], r: 8.5, fill: "none", stroke: CHOSEN, "stroke-width": 2 });
  });
}
