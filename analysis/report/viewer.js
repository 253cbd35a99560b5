// The chosen minimum as balls and sticks on a canvas: drag to turn it, wheel to zoom.

const shape = unpack(data.structures);
const HYDROGEN_BOND = 2.5,
  STRAIGHT = Math.cos((120 * Math.PI) / 180);

function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.positions), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer),
    n = packed.symbols.length;
  return {
    n,
    // Positions of one minimum, as [x, y, z] of each atom.
    of(minimum) {
      const at = (atom, axis) => packed.step * view.getInt16(2 * (3 * (minimum * n + atom) + axis), true);
      return packed.symbols.map((_, atom) => [at(atom, 0), at(atom, 1), at(atom, 2)]);
    },
  };
}

const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const norm = (a) => Math.sqrt(dot(a, a));

function hydrogenBonds(atoms) {
  return data.structures.hydrogen_bonds.filter(([donor, hydrogen, acceptor]) => {
    const toDonor = minus(atoms[donor], atoms[hydrogen]),
      toAcceptor = minus(atoms[acceptor], atoms[hydrogen]);
    const distance = norm(toAcceptor);
    return distance < HYDROGEN_BOND && dot(toDonor, toAcceptor) / (norm(toDonor) * distance) < STRAIGHT;
  });
}

function touchingPairs(atoms) {
  const pairs = [];
  for (let i = 0; i < atoms.length; i++) {
    for (let j = 0; j < i; j++) if (norm(minus(atoms[i], atoms[j])) < data.structures.touching) pairs.push([j, i]);
  }
  return pairs;
}

// Colours are mixed with white by depth, so that what is behind fades.
function mixed(colour, other, share) {
  const parts = (hex) => [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
  const [a, b] = [parts(colour), parts(other)];
  return `rgb(${a.map((value, row) => Math.round(value + share * (b[row] - value))).join(",")})`;
}

class Viewer {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.turn = [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ];
    this.zoom = 1;
    this.hasHydrogens = true;
    this.atoms = [];
    this.listen();
  }

  show(minimum) {
    this.atoms = shape.of(minimum);
    this.isCluster = data.structures.touching > 0;
    this.bonds = this.isCluster ? touchingPairs(this.atoms) : data.structures.bonds;
    this.dashes = hydrogenBonds(this.atoms);
    this.reach = Math.max(1e-3, ...this.atoms.map(norm)) + this.radius(data.structures.symbols[0]);
    this.canvas.dataset.minimum = minimum;
    this.render();
  }

  listen() {
    let last = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      last = [event.clientX, event.clientY];
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (last === null) return;
      this.rotate((event.clientX - last[0]) / 110, (event.clientY - last[1]) / 110);
      last = [event.clientX, event.clientY];
    });
    for (const end of ["pointerup", "pointercancel"])
      this.canvas.addEventListener(end, () => {
        last = null;
      });
    this.canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.zoom = Math.min(6, Math.max(0.3, this.zoom * Math.exp(-event.deltaY / 700)));
        this.render();
      },
      { passive: false },
    );
    new ResizeObserver(() => this.render()).observe(this.canvas);
  }

  rotate(about_y, about_x) {
    const [cy, sy, cx, sx] = [Math.cos(about_y), Math.sin(about_y), Math.cos(about_x), Math.sin(about_x)];
    const step = [
      [cy, 0, sy],
      [sx * sy, cx, -sx * cy],
      [-cx * sy, sx, cx * cy],
    ];
    const [a, b, c] = [0, 1, 2].map((column) => this.turn.map((row) => row[column]));
    this.turn = step.map((row) => [dot(row, a), dot(row, b), dot(row, c)]);
    this.render();
  }

  radius(symbol) {
    if (this.isCluster) return 0.29 * data.structures.touching;
    return symbol === "H" ? 0.2 : 0.3 + 0.12 * data.structures.elements[symbol].radius;
  }

  // Where each atom is on the canvas: x and y in pixels, z toward the eye, pixels for an angstrom there, and fog.
  project() {
    const { clientWidth: width, clientHeight: height } = this.canvas,
      eye = 4.2 * this.reach;
    const size = (0.47 * Math.min(width, height) * this.zoom) / this.reach;
    return this.atoms.map((atom) => {
      const [x, y, z] = this.turn.map((row) => dot(row, atom));
      const near = (size * eye) / (eye - z);
      const fog = 0.62 * Math.min(1, Math.max(0, 0.5 - z / (1.7 * this.reach)));
      return { x: width / 2 + near * x, y: height / 2 - near * y, z, size: near, fog };
    });
  }

  render() {
    const density = window.devicePixelRatio || 1,
      { clientWidth: width, clientHeight: height } = this.canvas;
    this.canvas.width = width * density;
    this.canvas.height = height * density;
    this.pen.setTransform(density, 0, 0, density, 0, 0);
    this.pen.clearRect(0, 0, width, height);
    const at = this.project(),
      { symbols, elements } = data.structures;
    const isSeen = (atom) => this.hasHydrogens || symbols[atom] !== "H" || this.isPolar(atom);
    const tasks = [];
    at.forEach((place, atom) => {
      if (isSeen(atom)) tasks.push([place.z, () => this.ball(place, symbols[atom], elements[symbols[atom]].colour)]);
    });
    for (const [i, j] of this.bonds || []) {
      if (!isSeen(i) || !isSeen(j)) continue;
      const middle = this.between(at[i], at[j], 0.5),
        length = norm(minus(this.atoms[i], this.atoms[j])) || 1;
      for (const [atom, other] of [
        [i, j],
        [j, i],
      ]) {
        // A stick begins at the surface of its atom, so that nothing shows through.
        const start = this.between(at[atom], at[other], Math.min(0.5, (0.94 * this.radius(symbols[atom])) / length));
        tasks.push([
          (start.z + middle.z) / 2,
          () => this.stick(start, middle, symbols[atom], elements[symbols[atom]].colour),
        ]);
      }
    }
    for (const [, hydrogen, acceptor] of this.dashes || []) {
      if (isSeen(hydrogen))
        tasks.push([(at[hydrogen].z + at[acceptor].z) / 2, () => this.dash(at[hydrogen], at[acceptor])]);
    }
    tasks.sort((a, b) => a[0] - b[0]).forEach(([, task]) => task());
  }

  // Hydrogens that can make hydrogen bonds are always seen.
  isPolar(atom) {
    return data.structures.hydrogen_bonds.some(([, hydrogen]) => hydrogen === atom);
  }

  between(a, b, share) {
    const part = (name) => a[name] + share * (b[name] - a[name]);
    return { x: part("x"), y: part("y"), z: part("z"), size: part("size"), fog: part("fog") };
  }

  ball({ x, y, size, fog }, symbol, colour) {
    const { pen } = this,
      radius = size * this.radius(symbol);
    const light = pen.createRadialGradient(x - 0.35 * radius, y - 0.4 * radius, 0.05 * radius, x, y, radius);
    const faded = (other, share) => mixed(this.hex(mixed(colour, other, share)), "#ffffff", fog);
    light.addColorStop(0, faded("#ffffff", 0.75));
    light.addColorStop(0.35, faded("#ffffff", 0.12));
    light.addColorStop(0.8, faded("#000000", 0.18));
    light.addColorStop(1, faded("#000000", 0.42));
    pen.globalAlpha = symbol === "H" && !this.isCluster ? 0.82 : 1;
    pen.fillStyle = light;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fill();
    pen.globalAlpha = 1;
  }

  stick(from, to, symbol, colour) {
    const { pen } = this,
      width = (this.isCluster ? 0.07 * data.structures.touching : symbol === "H" ? 0.17 : 0.24) * from.size;
    const grey = this.isCluster ? "#8d989f" : colour;
    const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
    // The light comes from above, so the upper edge of a stick is bright.
    let [nx, ny] = [-(to.y - from.y) / length, (to.x - from.x) / length];
    if (nx * 0.35 + ny > 0) [nx, ny] = [-nx, -ny];
    pen.lineCap = "butt";
    for (const [share, shift, other, by] of [
      [1, 0, "#000000", 0.38],
      [0.78, 0.06, "#000000", 0.08],
      [0.3, 0.2, "#ffffff", 0.5],
    ]) {
      pen.strokeStyle = mixed(this.hex(mixed(grey, other, by)), "#ffffff", from.fog);
      pen.lineWidth = share * width;
      pen.beginPath();
      pen.moveTo(from.x + shift * width * nx, from.y + shift * width * ny);
      pen.lineTo(to.x + shift * width * nx, to.y + shift * width * ny);
      pen.stroke();
    }
  }

  dash(from, to) {
    const { pen } = this;
    pen.strokeStyle = mixed("#e69f00", "#ffffff", (from.fog + to.fog) / 2);
    pen.lineWidth = 0.1 * from.size;
    pen.lineCap = "round";
    pen.setLineDash([0.02 * from.size, 0.24 * from.size]);
    pen.beginPath();
    pen.moveTo(from.x, from.y);
    pen.lineTo(to.x, to.y);
    pen.stroke();
    pen.setLineDash([]);
  }

  hex(rgb) {
    return `#${rgb
      .match(/\d+/g)
      .map((value) => Number(value).toString(16).padStart(2, "0"))
      .join("")}`;
  }
}

function xyz(minimum) {
  const energy = minima.energy[minimum],
    { symbols, unit } = data.structures;
  const lines = shape
    .of(minimum)
    .map((atom, row) => [symbols[row], ...atom.map((value) => value.toFixed(4))].join(" "));
  const height = energy === null ? "energy unknown" : `energy ${energy} ${minima.energy_unit}`;
  const comment = `minimum ${minimum}, ${height}, ${unit} rounded to ${data.structures.step.toFixed(4)}`;
  return `${symbols.length}\n${comment}\n${lines.join("\n")}\n`;
}

function buildViewer(parent) {
  const canvas = make("canvas", { "aria-label": "structure of the chosen minimum" });
  const name = make("b", {}),
    list = make("table", { class: "properties" });
  const order = minima.number
    .filter((row) => minima.energy[row] !== null)
    .sort((a, b) => minima.energy[a] - minima.energy[b]);
  const step = (by) => choose(order[order.indexOf(chosen.minimum) + by]);
  const lower = make("button", { title: "the next lower minimum", onclick: () => step(-1) }, "▼ lower");
  const higher = make("button", { title: "the next higher minimum", onclick: () => step(1) }, "▲ higher");
  const links = make(
    "a",
    { onclick: () => save(`minimum_${chosen.minimum}.xyz`, "text/plain", xyz(chosen.minimum)) },
    "XYZ",
  );
  parent.append(canvas, make("div", { class: "viewbar" }, name, lower, higher, links));
  const viewer = new Viewer(canvas);
  if (data.structures.symbols.includes("H")) {
    const box = make("input", { type: "checkbox", checked: "" });
    box.addEventListener("change", () => {
      viewer.hasHydrogens = box.checked;
      viewer.render();
    });
    parent.append(make("label", {}, box, " all hydrogens; hydrogen bonds are dotted"));
  }
  parent.append(list);
  onChoice((minimum) => {
    viewer.show(minimum);
    name.textContent = `Minimum ${minimum}`;
    const place = order.indexOf(minimum);
    lower.disabled = place <= 0;
    higher.disabled = place < 0 || place === order.length - 1;
    list.replaceChildren(...properties(minimum));
  });
}

function properties(minimum) {
  const line = (name, value) => make("tr", {}, make("th", {}, name), make("td", {}, value));
  const energy = minima.energy[minimum];
  const rows = [line(`energy (${minima.energy_unit})`, energy === null ? "not known" : text(energy, 6))];
  for (const column of minima.columns) {
    if (/^psi_/.test(column.key) || column.values[minimum] === null) continue;
    const psi = columnOf[column.key.replace("phi", "psi")];
    if (/^phi_/.test(column.key)) {
      const pair = `${text(column.values[minimum], 0)}°, ${text(psi.values[minimum], 0)}°`;
      rows.push(line(`${column.label}, ${psi.label}`, pair));
    } else rows.push(line(named(column), text(column.values[minimum])));
  }
  return rows;
}
