// What all figures share: elements, scales, axes, colours, the tooltip, and files to save.

const SVG = "http://www.w3.org/2000/svg";
const FONT = '"Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif';
const INK = "#1d2329",
  SOFT = "#5c6670",
  CHOSEN = "#b5179e";
const data = JSON.parse(document.getElementById("data").textContent);
const minima = data.minima;
const columnOf = Object.fromEntries(minima.columns.map((column) => [column.key, column]));

const byId = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function draw(parent, tag, attributes = {}, text = null) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== null) node.textContent = text;
  parent.append(node);
  return node;
}

// --- Which minimum is chosen. Everything that shows it listens.

const chosen = { minimum: null, listeners: [] };

function onChoice(listener) {
  chosen.listeners.push(listener);
}

function choose(minimum) {
  if (minimum === null || minimum === undefined) return;
  chosen.minimum = minimum;
  for (const listener of chosen.listeners) listener(minimum);
}

// --- Numbers.

function text(value, digits = 3) {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  if (Number.isInteger(value)) return value.toLocaleString("en").replace("-", "−");
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
  return value
    .toFixed(digits)
    .replace(/^-(?=[0.]*$)/, "")
    .replace("-", "−");
}

function extent(values) {
  let low = Infinity,
    high = -Infinity;
  for (const value of values) {
    if (value === null) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [0, 1];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

function widened([low, high], share = 0.04) {
  const margin = share * (high - low);
  return [low - margin, high + margin];
}

function ticks([low, high], n = 6) {
  const decade = 10 ** Math.floor(Math.log10((high - low) / n));
  const step =
    [1, 2, 2.5, 5, 10].map((factor) => factor * decade).find((size) => (high - low) / size <= n) || 10 * decade;
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(k * step);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (/2\.?5/.test(String(step)) && step < 1 ? 1 : 0));
  return found.map((value) => [value, tickText(value, step, decimals)]);
}

function tickText(value, step, decimals) {
  if (Math.abs(value) < 1e-9 * step) return "0";
  if (Math.abs(value) >= 1e5) return `${+(value / 1000).toFixed(3)}k`;
  const shown = Number.isInteger(step * 10 ** decimals) ? decimals : decimals + 1;
  return value.toFixed(Math.min(shown, 8)).replace("-", "−");
}

function scale([low, high], [from, to]) {
  const map = (value) => from + ((value - low) / (high - low)) * (to - from);
  map.back = (pixel) => low + ((pixel - from) / (to - from)) * (high - low);
  map.domain = [low, high];
  return map;
}

// --- A figure: a caption with menus and links above an SVG that is as wide as its place.

function figure(parent, { name, title, width, height, csv, note = "" }) {
  const caption = make("figcaption", {}, make("b", {}, title), make("span", { class: "spring" }));
  const svg = document.createElementNS(SVG, "svg");
  const attributes = { viewBox: `0 0 ${width} ${height}`, xmlns: SVG, "font-family": FONT, "font-size": 11, fill: INK };
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
  svg.id = `${name}-svg`;
  const links = [
    make("a", { title: "save the data", onclick: () => save(`${name}.csv`, "text/csv", csvText(csv())) }, "CSV"),
    make("a", { title: "save the drawing", onclick: () => save(`${name}.svg`, "image/svg+xml", svg.outerHTML) }, "SVG"),
  ];
  caption.append(...links);
  const noteLine = make("p", { class: "note" }, note);
  parent.append(make("figure", {}, caption, svg, noteLine));
  return { svg, caption, width, height, noteLine, addMenu: (menu) => caption.insertBefore(menu, links[0]) };
}

function leftOut(parent, part) {
  if (!part.left_out) return false;
  parent.append(make("p", { class: "empty" }, part.left_out));
  return true;
}

function menu(label, options, value, onchange) {
  const list = make("select", {}, ...options.map(([key, name]) => make("option", { value: key }, name)));
  list.value = value;
  list.addEventListener("change", () => onchange(list.value));
  return make("label", {}, label, list);
}

function axes(svg, { box, x, y, xLabel = "", yLabel = "", xTicks = null, yTicks = null, hasX = true }) {
  const group = draw(svg, "g", { class: "axes" });
  const line = { stroke: "#444", "stroke-width": 0.8, fill: "none" };
  const right = box.left + box.width,
    bottom = box.top + box.height;
  draw(group, "path", { d: `M${box.left} ${box.top}V${bottom}${hasX ? `H${right}` : ""}`, ...line });
  if (hasX) {
    for (const [value, name] of xTicks || ticks(x.domain)) {
      draw(group, "path", { d: `M${x(value)} ${bottom}v4`, ...line });
      draw(group, "text", { x: x(value), y: bottom + 16, "text-anchor": "middle" }, name);
    }
    draw(
      group,
      "text",
      { x: box.left + box.width / 2, y: bottom + 33, "text-anchor": "middle", "font-size": 12 },
      xLabel,
    );
  }
  for (const [value, name] of yTicks || ticks(y.domain)) {
    draw(group, "path", { d: `M${box.left} ${y(value)}h-4`, ...line });
    draw(group, "text", { x: box.left - 7, y: y(value) + 3.8, "text-anchor": "end" }, name);
  }
  const middle = box.top + box.height / 2,
    edge = box.left - 42;
  draw(
    group,
    "text",
    { transform: `translate(${edge} ${middle}) rotate(-90)`, "text-anchor": "middle", "font-size": 12 },
    yLabel,
  );
  return group;
}

const named = (column) => column.label + (column.unit ? ` (${column.unit})` : "");

// --- Colours by a column: a scale for numbers, the palette for groups.

const NONE = "#b9bfc4",
  MOST_GROUPS = 7;

function colouring(key) {
  const column = columnOf[key];
  if (!column) return { of: () => data.colours.known, column: null };
  return column.kind === "group" ? byGroup(column) : byValue(column);
}

function byValue(column) {
  const limits = extent(column.values),
    steps = data.colours.scale;
  const of = (minimum) => {
    const value = column.values[minimum];
    if (value === null) return NONE;
    return steps[Math.round(((value - limits[0]) / (limits[1] - limits[0])) * (steps.length - 1))];
  };
  return { of, column, limits, hasMissing: column.values.includes(null) };
}

function byGroup(column) {
  const counts = new Map();
  for (const value of column.values) if (value !== null) counts.set(value, (counts.get(value) || 0) + 1);
  const frequent = [...counts]
    .sort((a, b) => b[1] - a[1])
    .slice(0, MOST_GROUPS)
    .map(([name]) => name);
  const palette = new Map(frequent.map((name, row) => [name, data.colours.groups[row]]));
  if (column.key === "new") {
    palette.set("known", data.colours.known);
    palette.set("new", data.colours.new);
  }
  const groups = [...palette].filter(([name]) => counts.has(name));
  if (counts.size > frequent.length) groups.push([`${counts.size - frequent.length} others`, NONE]);
  if (column.values.includes(null)) groups.push(["not known", NONE]);
  return { of: (minimum) => palette.get(column.values[minimum]) || NONE, column, groups, isGroup: true };
}

// A bar, or a legend, at the right of a figure.
function explain(svg, colours, { left, top, height }) {
  if (!colours.column) return;
  const group = draw(svg, "g", { class: "legend" });
  if (colours.isGroup) {
    draw(group, "text", { x: left, y: top + 9, "font-size": 11.5 }, colours.column.label);
    colours.groups.forEach(([name, colour], row) => {
      draw(group, "circle", { cx: left + 5, cy: top + 25 + 17 * row, r: 4.2, fill: colour });
      draw(group, "text", { x: left + 15, y: top + 29 + 17 * row }, name || "none");
    });
    return;
  }
  const long = Math.min(height, 220),
    start = top + (height - long) / 2,
    steps = data.colours.scale;
  const y = scale(colours.limits, [start + long, start]);
  steps.forEach((colour, row) => {
    const step = long / steps.length;
    draw(group, "rect", {
      x: left,
      y: start + long - (row + 1) * step - 0.3,
      width: 10,
      height: step + 0.6,
      fill: colour,
    });
  });
  for (const [value, name] of ticks(colours.limits, 5)) {
    draw(group, "path", { d: `M${left + 10} ${y(value)}h4`, stroke: "#444", "stroke-width": 0.8 });
    draw(group, "text", { x: left + 17, y: y(value) + 3.8 }, name);
  }
  draw(
    group,
    "text",
    {
      transform: `translate(${left + 62} ${start + long / 2}) rotate(-90)`,
      "text-anchor": "middle",
      "font-size": 12,
    },
    named(colours.column),
  );
  if (colours.hasMissing) {
    draw(group, "circle", { cx: left + 5, cy: start + long + 18, r: 4.2, fill: NONE });
    draw(group, "text", { x: left + 15, y: start + long + 22 }, "not known");
  }
}

// Width and box of a figure that takes half of the page.
const HALF = { width: 560, box: { left: 56, top: 12, width: 488 } };

// --- Points under the mouse.

function pointer(svg, event) {
  const frame = svg.getBoundingClientRect(),
    box = svg.viewBox.baseVal;
  return [
    ((event.clientX - frame.left) / frame.width) * box.width,
    ((event.clientY - frame.top) / frame.height) * box.height,
  ];
}

// nearest(x, y) returns the minimum at a place of the drawing, or null.
function picks(svg, nearest) {
  svg.classList.add("picks");
  svg.addEventListener("mousemove", (event) => showTip(event, nearest(...pointer(svg, event))));
  svg.addEventListener("mouseleave", () => showTip(null, null));
  svg.addEventListener("click", (event) => choose(nearest(...pointer(svg, event))));
}

function nearestPoint(points, x, y, reach = 14) {
  let best = null,
    least = reach * reach;
  for (const [minimum, px, py] of points) {
    const distance = (px - x) ** 2 + (py - y) ** 2;
    if (distance < least) {
      least = distance;
      best = minimum;
    }
  }
  return best;
}

const TOLD = 7;

function showTip(event, minimum) {
  const tip = byId("tip");
  tip.hidden = minimum === null;
  if (minimum === null) return;
  const told = minima.columns.filter((column) => !/^(phi|psi|pc)_/.test(column.key) && column.values[minimum] !== null);
  tip.replaceChildren(make("b", {}, `Minimum ${minimum}`));
  for (const column of told.slice(0, TOLD)) {
    const unit = column.unit ? ` ${column.unit}` : "";
    tip.append(make("br"), `${column.label}: ${text(column.values[minimum])}${unit}`);
  }
  const left = Math.min(event.clientX + 16, window.innerWidth - tip.offsetWidth - 8);
  const top = Math.min(event.clientY + 14, window.innerHeight - tip.offsetHeight - 8);
  tip.style.left = `${left}px`;
  tip.style.top = `${top}px`;
}

// --- Files.

function csvText(rows) {
  const cell = (value) => {
    const shown = value === null || value === undefined ? "" : String(value);
    return /[",\n]/.test(shown) ? `"${shown.replaceAll('"', '""')}"` : shown;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function save(name, type, content) {
  const place = URL.createObjectURL(new Blob([content], { type: `${type};charset=utf-8` }));
  const link = make("a", { href: place, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(place), 1000);
}

function dataOfColumns(columns) {
  const header = ["minimum", `energy_${minima.energy_unit}`, ...columns.map((column) => column.key)];
  return [
    header,
    ...minima.number.map((row) => [row, minima.energy[row], ...columns.map((column) => column.values[row])]),
  ];
}
