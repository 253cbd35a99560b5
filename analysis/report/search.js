// How the minima came in, and at which energies they lie.

const curve = (x, y, across, up) =>
  across
    .map((value, row) => (up[row] === null ? "" : `${x(value).toFixed(1)} ${y(up[row]).toFixed(1)}`))
    .filter((place) => place)
    .map((place, row) => (row ? "L" : "M") + place)
    .join("");

// What lines and areas mean, in a row.
function key(svg, start, y, entries) {
  let left = start;
  for (const [name, style] of entries) {
    if (style.area)
      draw(svg, "rect", { x: left, y: y - 5, width: 20, height: 10, fill: style.area, opacity: style.opacity || 0.2 });
    else
      draw(svg, "path", {
        d: `M${left} ${y}h20`,
        stroke: style.stroke,
        "stroke-width": 2,
        "stroke-dasharray": style.dash || "none",
      });
    draw(svg, "text", { x: left + 26, y: y + 4 }, name);
    left += 44 + 6 * name.length;
  }
}

function buildDiscovery(parent) {
  const part = data.discovery;
  if (leftOut(parent, part)) return;
  const work = { n_quenches: "quenches", n_evaluations: "force evaluations" };
  const header = Object.keys(part),
    state = { against: "n_quenches" };
  const frame = figure(parent, {
    name: "discovery",
    title: "How the minima came in",
    ...HALF,
    height: 470,
    csv: () => [header, ...part.n_quenches.map((_, row) => header.map((name) => part[name][row]))],
    note: data.overview.warning,
  });
  const paint = () => paintDiscovery(frame.svg, part, part[state.against], work[state.against]);
  frame.addMenu(
    menu("against", Object.entries(work), state.against, (name) => {
      state.against = name;
      paint();
    }),
  );
  paint();
}

function paintDiscovery(svg, part, across, xLabel) {
  svg.replaceChildren();
  const { known: blue, new: orange, grey } = data.colours,
    last = across.length - 1;
  const above = { ...HALF.box, top: 30, height: 216 },
    below = { ...HALF.box, top: 292, height: 130 };
  const x = scale([0, across[last]], [above.left, above.left + above.width]);
  const top = 1.2 * Math.max(part.n_estimated_upper[last] || 0, part.n_minima[last], 1);
  const y = scale([0, top], [above.top + above.height, above.top]);
  axes(svg, { box: above, x, y, yLabel: "distinct minima", xTicks: [] });
  draw(draw(svg, "clipPath", { id: "discovery-clip" }), "rect", {
    x: above.left,
    y: above.top,
    width: above.width,
    height: above.height,
  });
  const inside = draw(svg, "g", { "clip-path": "url(#discovery-clip)" });
  // The first quenches say almost nothing; an interval without an upper end goes beyond the figure.
  const high = part.n_estimated_upper.map((value) => (value === null ? 1e3 * top : value));
  const back = curve(x, y, [...across].reverse(), [...part.n_estimated_lower].reverse()).replace("M", "L");
  draw(inside, "path", { d: `${curve(x, y, across, high)}${back}Z`, fill: orange, opacity: 0.16 });
  draw(inside, "path", {
    d: curve(x, y, across, part.n_estimated),
    fill: "none",
    stroke: orange,
    "stroke-width": 1.7,
    "stroke-dasharray": "5 3",
  });
  draw(inside, "path", { d: curve(x, y, across, part.n_minima), fill: "none", stroke: blue, "stroke-width": 2 });
  key(svg, above.left + 6, above.top - 16, [
    ["found", { stroke: blue }],
    ["at least (Chao1)", { stroke: orange, dash: "5 3" }],
    ["its 95% interval", { area: orange }],
  ]);
  const least = Math.min(...part.unseen_mass_upper, ...part.unseen_mass.filter((value) => value > 0));
  const decades = [Math.min(-1, Math.floor(Math.log10(least))), 0];
  const log = scale(decades, [below.top + below.height, below.top]),
    mass = (value) => log(Math.log10(value));
  const yTicks = [];
  for (let power = decades[0]; power <= 0; power++) yTicks.push([power, powerOfTen(power)]);
  axes(svg, {
    box: below,
    x,
    y: Object.assign((value) => log(value), { domain: decades }),
    xLabel,
    yLabel: "unseen mass",
    yTicks,
  });
  draw(svg, "path", {
    d: curve(x, mass, across, part.unseen_mass_upper),
    fill: "none",
    stroke: grey,
    "stroke-width": 1.2,
  });
  draw(svg, "path", {
    d: curve(
      x,
      mass,
      across,
      part.unseen_mass.map((value) => value || null),
    ),
    fill: "none",
    stroke: blue,
    "stroke-width": 2,
  });
  key(svg, below.left + 6, below.top - 16, [
    ["chance the next is new", { stroke: blue }],
    ["its 95% bound", { stroke: grey }],
  ]);
}

function powerOfTen(power) {
  if (power >= -1) return String(10 ** power);
  return `10⁻${[...String(-power)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")}`;
}

function buildEnergies(parent) {
  const part = data.energies;
  if (leftOut(parent, part)) return;
  const groups = Object.entries(part.counts),
    { edges } = part;
  const without = part.n_without ? `${part.n_without} without an energy are not shown.` : "";
  const frame = figure(parent, {
    name: "energies",
    title: "Energies of the minima",
    ...HALF,
    height: 470,
    note: without,
    csv: () => [
      ["from", "to", ...groups.map(([name]) => name)],
      ...edges.slice(1).map((edge, row) => [edges[row], edge, ...groups.map(([, counts]) => counts[row])]),
    ],
  });
  const box = { ...HALF.box, top: 30, height: 392 },
    totals = edges.slice(1).map((_, row) => groups.reduce((sum, [, counts]) => sum + counts[row], 0));
  const x = scale([0, edges[edges.length - 1]], [box.left, box.left + box.width]);
  const y = scale([0, 1.08 * Math.max(...totals)], [box.top + box.height, box.top]);
  const fills = { minima: data.colours.known, known: data.colours.known, new: data.colours.new, "not compared": NONE };
  const base = totals.map(() => 0);
  for (const [name, counts] of groups) {
    counts.forEach((count, row) => {
      if (!count) return;
      draw(frame.svg, "rect", {
        x: x(edges[row]) + 0.7,
        width: x(edges[row + 1]) - x(edges[row]) - 1.4,
        y: y(base[row] + count),
        height: y(base[row]) - y(base[row] + count),
        fill: fills[name],
      });
      base[row] += count;
    });
  }
  axes(frame.svg, {
    box,
    x,
    y,
    xLabel: `energy above the lowest minimum (${part.unit || "unit of the run"})`,
    yLabel: "minima",
    yTicks: ticks(y.domain).filter(([value]) => Number.isInteger(value)),
  });
  if (groups.length > 1 || groups[0][0] !== "minima")
    key(
      frame.svg,
      box.left + 6,
      14,
      groups.map(([name]) => [name, { area: fills[name], opacity: 1 }]),
    );
}
