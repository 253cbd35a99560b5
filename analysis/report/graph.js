// The disconnectivity graph. Places and energies of its nodes come with the data; here they become lines.

const GRAPH = { width: 760, height: 500, box: { left: 58, top: 14, width: 596, height: 462 } };
const NUMBERED_UP_TO = 24,
  MOST_ZOOM = 200;

function buildGraph(parent) {
  const tree = data.graph;
  if (leftOut(parent, tree)) return null;
  const frame = figure(parent, {
    name: "disconnectivity",
    title: tree.has_joins ? "Disconnectivity graph" : "Minima by energy",
    ...GRAPH,
    csv: () => graphTable(tree),
    note: tree.notes.join("; "),
  });
  const places = extent(tree.place),
    margin = 0.02 * (places[1] - places[0]) + 0.6;
  const whole = [places[0] - margin, places[1] + margin];
  const state = { frame, tree, whole, span: [...whole], points: [], key: null };
  frame.addMenu(zoomButtons(state));
  picks(frame.svg, (x, y) => nearestLeaf(state, x, y));
  dragToMove(state);
  onChoice(() => markChosen(state));
  state.paint = (key) => {
    state.key = key;
    paintGraph(state);
  };
  return state;
}

function zoomButtons(state) {
  const zoom = (factor) => {
    const chosenLeaf = state.tree.number.slice(0, state.tree.n_leaves).indexOf(chosen.minimum);
    const [low, high] = state.span,
      middle = (low + high) / 2;
    const place = chosenLeaf < 0 ? middle : state.tree.place[chosenLeaf];
    const centre = factor < 1 && (place < low || place > high || chosenLeaf < 0) ? middle : place;
    const width = Math.max((high - low) * factor, (state.whole[1] - state.whole[0]) / MOST_ZOOM);
    moveTo(state, centre - width * ((centre - low) / (high - low)), width);
  };
  const button = (name, title, onclick) => make("button", { title, onclick }, name);
  return make(
    "span",
    {},
    button("+", "wider about the chosen minimum; drag to move", () => zoom(0.5)),
    " ",
    button("−", "narrower", () => zoom(2)),
    " ",
    button("all", "the whole graph", () => moveTo(state, state.whole[0], state.whole[1] - state.whole[0])),
  );
}

function moveTo(state, low, width) {
  const all = state.whole[1] - state.whole[0],
    shown = Math.min(width, all);
  const start = Math.min(Math.max(low, state.whole[0]), state.whole[1] - shown);
  state.span = [start, start + shown];
  paintGraph(state);
}

function dragToMove(state) {
  const { svg } = state.frame;
  let last = null;
  svg.addEventListener("pointerdown", (event) => {
    last = pointer(svg, event)[0];
  });
  window.addEventListener("pointerup", () => {
    last = null;
  });
  svg.addEventListener("pointermove", (event) => {
    if (last === null || state.span[1] - state.span[0] >= state.whole[1] - state.whole[0]) return;
    const now = pointer(svg, event)[0],
      width = state.span[1] - state.span[0];
    moveTo(state, state.span[0] - ((now - last) / GRAPH.box.width) * width, width);
    last = now;
  });
}

function paintGraph(state) {
  const {
      tree,
      frame: { svg },
    } = state,
    { box } = GRAPH;
  svg.replaceChildren();
  const x = scale(state.span, [box.left, box.left + box.width]);
  const y = scale([tree.bottom, tree.top], [box.top + box.height, box.top]);
  const clip = draw(draw(svg, "clipPath", { id: "graph-clip" }), "rect", {
    x: box.left,
    y: 0,
    width: box.width,
    height: box.top + box.height + 14,
  });
  clip.setAttribute("x", box.left + 1);
  Object.assign(state, { x, y, colours: colouring(state.key) });
  axes(svg, { box, x, y, hasX: false, yLabel: `energy above the lowest minimum (${tree.unit || "unit of the run"})` });
  const inside = draw(svg, "g", { "clip-path": "url(#graph-clip)" });
  const colours = nodeColours(tree, state.colours);
  const isZoomed = (state.whole[1] - state.whole[0]) / (state.span[1] - state.span[0]);
  const width = Math.min(1.4, Math.max(0.35, 9 / Math.sqrt(tree.n_leaves / isZoomed)));
  paintLines(inside, state, colours, width);
  paintLeaves(inside, state, colours, isZoomed);
  state.ring = draw(inside, "g", {});
  if (tree.n_leaves >= 60) paintBar(svg, state);
  explain(svg, state.colours, { left: box.left + box.width + 16, top: box.top, height: box.height });
  paintMeanings(svg, state);
  markChosen(state);
}

// Leaves have the colour of their minimum; a join has that of its minima if they are all of one group.
function nodeColours(tree, colours) {
  const own = tree.number.map((minimum, node) => (node < tree.n_leaves ? colours.of(minimum) : null));
  if (colours.isGroup) {
    const common = own.slice();
    tree.parent.forEach((above, node) => {
      if (above < 0) return;
      common[above] = common[above] === null || common[above] === common[node] ? common[node] : "mixed";
    });
    return common.map((colour) => (colour === null || colour === "mixed" ? "#3f474d" : colour));
  }
  return own.map((colour) => colour || "#3f474d");
}

// One path for each colour, because thousands of elements are slow.
function paintLines(inside, state, colours, width) {
  const { tree, x, y } = state,
    paths = new Map(),
    dotted = [];
  const add = (colour, piece) => paths.set(colour, (paths.get(colour) || "") + piece);
  const at = (place, energy) => `${x(place).toFixed(2)} ${y(energy).toFixed(2)}`;
  const isOpen = new Set(tree.open),
    nRoots = tree.parent.filter((above) => above < 0).length;
  // High joins first, so that the fine lines of low minima stay on top.
  for (let node = tree.parent.length - 1; node >= 0; node--) {
    const above = tree.parent[node],
      start = at(tree.place[node], tree.energy[node]);
    if (above >= 0) {
      const turn = at(tree.place[node], tree.turn[node]),
        end = at(tree.place[above], tree.energy[above]);
      add(colours[node], `M${start}L${turn}L${end}`);
    } else if (isOpen.has(node)) add(colours[node], `M${start}L${at(tree.place[node], tree.top)}`);
    else if (node >= tree.n_leaves) {
      const stub = `M${start}L${at(tree.place[node], tree.energy[node] + tree.stub)}`;
      if (nRoots > 1) dotted.push([colours[node], stub]);
      else add(colours[node], stub);
    }
  }
  const style = { fill: "none", "stroke-width": width, "stroke-linejoin": "round", "stroke-linecap": "round" };
  for (const [colour, d] of paths) draw(inside, "path", { d, stroke: colour, ...style });
  for (const [colour, d] of dotted) draw(inside, "path", { d, stroke: colour, ...style, "stroke-dasharray": "1 3" });
}

function paintLeaves(inside, state, colours, isZoomed) {
  const { tree, x, y } = state,
    isOpen = new Set(tree.open);
  const size = Math.min(3.6, Math.max(0.9, 34 / Math.sqrt(tree.n_leaves / Math.sqrt(isZoomed))));
  const isNew = columnOf.new ? (minimum) => columnOf.new.values[minimum] === "new" : () => false;
  let triangles = "";
  const heights = tree.energy.slice(0, tree.n_leaves),
    lowest = heights.reduce((best, height, leaf) => (height < heights[best] ? leaf : best), 0);
  state.points = [];
  for (let leaf = 0; leaf < tree.n_leaves; leaf++) {
    const place = tree.place[leaf];
    if (place < state.span[0] || place > state.span[1]) continue;
    const [px, py, minimum] = [x(place), y(tree.energy[leaf]), tree.number[leaf]];
    state.points.push([minimum, px, py, leaf]);
    if (tree.parent[leaf] < 0 && !isOpen.has(leaf)) {
      draw(inside, "path", {
        d: `M${px - 1.8 * size} ${py}h${3.6 * size}`,
        stroke: colours[leaf],
        "stroke-width": 1.6,
      });
    } else draw(inside, "circle", { cx: px, cy: py, r: size, fill: colours[leaf] });
    if (isNew(minimum)) triangles += `M${px - size} ${py + size + 2}h${2 * size}l${-size} ${1.7 * size}z`;
    if (tree.n_leaves / isZoomed <= NUMBERED_UP_TO && tree.n_leaves <= 5 * NUMBERED_UP_TO) {
      const below = py + size + (isNew(minimum) ? 2 + 1.7 * size : 0) + (leaf === lowest ? 16 : 11);
      draw(inside, "text", { x: px, y: below, "text-anchor": "middle", "font-size": 10, fill: SOFT }, String(minimum));
    }
  }
  if (triangles) draw(inside, "path", { d: triangles, fill: data.colours.new });
  const best = state.points.find(([, , , leaf]) => leaf === lowest);
  if (best)
    draw(inside, "circle", { cx: best[1], cy: best[2], r: size + 1.6, fill: "none", stroke: INK, "stroke-width": 1.2 });
}

function paintBar(svg, state) {
  const { tree, x } = state,
    { box } = GRAPH,
    n = state.span[1] - state.span[0];
  const decade = 10 ** Math.floor(Math.log10(n / 8));
  const count = Math.max(1, [5, 2, 1].map((step) => step * decade).find((step) => step <= n / 8) || 1);
  const y = box.top + box.height + 14,
    start = box.left + 6;
  draw(svg, "path", { d: `M${start} ${y}h${x(count) - x(0)}`, stroke: SOFT, "stroke-width": 2 });
  draw(
    svg,
    "text",
    { x: start + x(count) - x(0) + 5, y: y + 4, fill: SOFT },
    `${count} ${count === 1 ? "minimum" : "minima"} of ${tree.n_leaves.toLocaleString("en")}`,
  );
}

function paintMeanings(svg, state) {
  const { box } = GRAPH,
    y = box.top + box.height + 14;
  const words = [["circle", "lowest"]];
  if (columnOf.new) words.push(["triangle", "new"]);
  let left = box.left + box.width - 74 * words.length;
  for (const [mark, word] of words) {
    if (mark === "circle")
      draw(svg, "circle", { cx: left, cy: y, r: 4.4, fill: "none", stroke: INK, "stroke-width": 1.2 });
    else draw(svg, "path", { d: `M${left - 4} ${y - 3.4}h8l-4 6.8z`, fill: data.colours.new });
    draw(svg, "text", { x: left + 9, y: y + 4, fill: SOFT }, word);
    left += 74;
  }
}

function nearestLeaf(state, x, y) {
  const near = nearestPoint(state.points, x, y);
  if (near !== null) return near;
  // Or the line up from a leaf.
  const line = state.points.find(([, px, py, leaf]) => {
    const top = state.tree.parent[leaf] < 0 ? py : state.y(state.tree.turn[leaf]);
    return Math.abs(px - x) < 3 && y < py && y > top;
  });
  return line ? line[0] : null;
}

function markChosen(state) {
  if (!state.ring) return;
  const { tree, x, y } = state,
    leaf = tree.number.slice(0, tree.n_leaves).indexOf(chosen.minimum);
  state.ring.replaceChildren();
  if (leaf < 0) return;
  const [px, py] = [x(tree.place[leaf]), y(tree.energy[leaf])];
  if (tree.parent[leaf] >= 0) {
    const above = tree.parent[leaf];
    const d = `M${px} ${py}L${px} ${y(tree.turn[leaf])}L${x(tree.place[above])} ${y(tree.energy[above])}`;
    draw(state.ring, "path", { d, fill: "none", stroke: CHOSEN, "stroke-width": 2.2, "stroke-linejoin": "round" });
  }
  draw(state.ring, "circle", { cx: px, cy: py, r: 7, fill: "none", stroke: CHOSEN, "stroke-width": 2 });
}

function graphTable(tree) {
  const unit = tree.unit ? ` (${tree.unit})` : "";
  const rows = tree.number.map((number, node) => [
    node,
    node < tree.n_leaves ? "minimum" : "join",
    number,
    tree.energy[node],
    tree.parent[node] < 0 ? "" : tree.parent[node],
    tree.place[node],
  ]);
  return [["node", "kind", "number", `drawn at${unit}`, "parent", "place"], ...rows];
}
