// Any two properties of the minima against each other; at first those in which their torsions differ most.

const MAP = { width: 760, height: 470, box: { left: 58, top: 14, width: 596, height: 408 } };

function buildMap(parent) {
  const options = minima.columns
    .filter((column) => column.kind === "number")
    .map((column) => [column.key, column.label]);
  if (!minima.number.length) {
    parent.append(make("p", { class: "empty" }, "There is no map, because no minimum was found yet."));
    return null;
  }
  if (options.length < 2) {
    parent.append(make("p", { class: "empty" }, "There is no map, because the minima have only one property."));
    return null;
  }
  const other = ["radius_of_gyration", "visits"].find((key) => columnOf[key]) || options[1][0];
  const [x, y] = columnOf.pc_2
    ? ["pc_1", "pc_2"]
    : columnOf.energy
      ? [other, "energy"]
      : [options[0][0], options[1][0]];
  const state = { axes: { x, y }, key: null, points: [] };
  state.frame = figure(parent, {
    name: "map",
    title: "Map of all minima",
    ...MAP,
    csv: () => dataOfColumns(minima.columns),
    note: columnOf.pc_2
      ? "Components: principal components of the sines and cosines of all torsions, with their share of the variance. " +
        "Near means alike in shape."
      : "",
  });
  for (const axis of ["x", "y"]) {
    state.frame.addMenu(
      menu(axis === "x" ? "across" : "up", options, state.axes[axis], (key) => {
        state.axes[axis] = key;
        paintMap(state);
      }),
    );
  }
  picks(state.frame.svg, (px, py) => nearestPoint(state.points, px, py));
  onChoice(() => ringOn(state));
  state.paint = (key) => {
    state.key = key;
    paintMap(state);
  };
  return state;
}

function paintMap(state) {
  const {
      frame: { svg },
    } = state,
    { box } = MAP;
  svg.replaceChildren();
  const [across, up] = [columnOf[state.axes.x], columnOf[state.axes.y]],
    colours = colouring(state.key);
  const x = scale(widened(extent(across.values)), [box.left, box.left + box.width]);
  const y = scale(widened(extent(up.values)), [box.top + box.height, box.top]);
  axes(svg, { box, x, y, xLabel: named(across), yLabel: named(up) });
  const size = Math.min(4.6, Math.max(1.6, 70 / Math.sqrt(minima.number.length)));
  state.points = [];
  let nWithout = 0;
  for (const minimum of minima.number) {
    if (across.values[minimum] === null || up.values[minimum] === null) {
      nWithout += 1;
      continue;
    }
    state.points.push([minimum, x(across.values[minimum]), y(up.values[minimum])]);
  }
  const dots = draw(svg, "g", { stroke: "#fff", "stroke-width": size > 2.5 ? 0.7 : 0 });
  const isNew = (minimum) => columnOf.new && columnOf.new.values[minimum] === "new";
  for (const [minimum, px, py] of state.points) mark(dots, px, py, size, colours.of(minimum), isNew(minimum));
  if (nWithout)
    draw(svg, "text", { x: box.left + 8, y: box.top + 10, fill: SOFT }, `${nWithout} without these properties`);
  if (columnOf.new) {
    const [left, low] = [box.left + box.width - 120, box.top + 8];
    mark(svg, left, low, 4, SOFT, false);
    draw(svg, "text", { x: left + 8, y: low + 4, fill: SOFT }, "known");
    mark(svg, left + 60, low, 4, SOFT, true);
    draw(svg, "text", { x: left + 69, y: low + 4, fill: SOFT }, "new");
  }
  explain(svg, colours, { left: box.left + box.width + 16, top: box.top, height: box.height });
  state.ring = draw(svg, "g", {});
  ringOn(state);
}

// New minima are triangles, all others are dots.
function mark(parent, x, y, size, fill, isTriangle) {
  if (isTriangle) {
    const r = 1.25 * size;
    const [left, top, width, height] = [x - r, y - 0.7 * r, 2 * r, 1.7 * r].map((value) => value.toFixed(1));
    return draw(parent, "path", {
      d: `M${left} ${top}h${width}l${(-r).toFixed(1)} ${height}z`,
      fill,
    });
  }
  return draw(parent, "circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: size, fill });
}

function ringOn(state) {
  if (!state.ring) return;
  state.ring.replaceChildren();
  for (const point of state.points) {
    if (point[0] !== chosen.minimum) continue;
    draw(state.ring, "circle", { cx: point[1], cy: point[2], r: 8, fill: "none", stroke: CHOSEN, "stroke-width": 2 });
  }
}
