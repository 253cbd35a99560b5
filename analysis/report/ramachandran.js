// Backbone torsions of each residue.

const small = (number) => [...String(number)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("");

function buildRamachandran(parent) {
  const part = data.ramachandran;
  if (leftOut(parent, part)) return;
  const n = part.residues.length,
    perRow = Math.min(n, n === 4 ? 2 : 3),
    side = n === 1 ? 460 : perRow === 2 ? 380 : 300;
  const gap = 66,
    width = 1140,
    left = (width - perRow * (side + gap) + gap) / 2 + 10,
    rows = Math.ceil(n / perRow);
  const kinds = ["frames", "implied", "minima"].filter((kind) => part.residues[0][kind]);
  const frame = figure(parent, {
    name: "ramachandran",
    title: "φ and ψ of each residue",
    width,
    height: rows * (side + 52) + 34,
    note: part.notes.join("; "),
    csv: () => [
      ["residue", "kind", "number", "phi_degree", "psi_degree"],
      ...part.residues.flatMap((residue, place) =>
        kinds.flatMap((kind) =>
          residue[kind].phi.map((phi, row) => [
            place + 1,
            kind === "minima" ? "minimum" : kind,
            row,
            phi,
            residue[kind].psi[row],
          ]),
        ),
      ),
    ],
  });
  const points = [],
    isNew = (minimum) => columnOf.new && columnOf.new.values[minimum] === "new";
  const edge = [-180, -90, 0, 90, 180].map((value) => [value, String(value).replace("-", "−")]);
  part.residues.forEach((residue, place) => {
    const box = {
      left: left + (place % perRow) * (side + gap),
      top: 34 + Math.floor(place / perRow) * (side + 52),
      width: side,
      height: side,
    };
    const x = scale([-180, 180], [box.left, box.left + side]),
      y = scale([-180, 180], [box.top + side, box.top]);
    for (const [value] of edge.slice(1, 4)) {
      draw(frame.svg, "path", {
        d: `M${x(value)} ${box.top}v${side}M${box.left} ${y(value)}h${side}`,
        stroke: "#e6eaed",
        "stroke-width": 0.8,
      });
    }
    draw(frame.svg, "path", { d: `M${box.left} ${box.top}h${side}v${side}`, stroke: "#e6eaed", fill: "none" });
    paintTorsions(frame.svg, residue, { x, y, points, isNew });
    axes(frame.svg, {
      box,
      x,
      y,
      xTicks: edge,
      yTicks: edge,
      xLabel: `φ${small(place + 1)} (°)`,
      yLabel: `ψ${small(place + 1)} (°)`,
    });
  });
  const words = [
    ["frames", "training frames", "#9aa4ab"],
    ["implied", "implied by the data, not found", INK],
  ].filter(([kind]) => kinds.includes(kind));
  words.push(["known", columnOf.new ? "known minima" : "minima", data.colours.known]);
  if (columnOf.new) words.push(["new", "new minima", data.colours.new]);
  let at = left;
  for (const [kind, word, colour] of words) {
    if (kind === "implied")
      draw(frame.svg, "rect", { x: at - 4, y: 8, width: 8, height: 8, fill: "none", stroke: colour });
    else mark(frame.svg, at, 12, kind === "frames" ? 2 : 4.2, colour, kind === "new");
    draw(frame.svg, "text", { x: at + 11, y: 16, "font-size": 12 }, word);
    at += 40 + 6.6 * word.length;
  }
  const ring = draw(frame.svg, "g", {});
  picks(frame.svg, (px, py) => nearestPoint(points, px, py));
  onChoice((minimum) => {
    ring.replaceChildren();
    for (const [number, cx, cy] of points) {
      if (number === minimum) draw(ring, "circle", { cx, cy, r: 8, fill: "none", stroke: CHOSEN, "stroke-width": 2 });
    }
  });
}

function paintTorsions(svg, residue, { x, y, points, isNew }) {
  if (residue.frames) {
    const d = residue.frames.phi
      .map((phi, row) => `M${x(phi).toFixed(1)} ${y(residue.frames.psi[row]).toFixed(1)}h0`)
      .join("");
    draw(svg, "path", { d, stroke: "#9aa4ab", "stroke-width": 2.6, "stroke-linecap": "round", opacity: 0.45 });
  }
  for (const [row, phi] of (residue.implied ? residue.implied.phi : []).entries()) {
    draw(svg, "rect", {
      x: x(phi) - 3,
      y: y(residue.implied.psi[row]) - 3,
      width: 6,
      height: 6,
      fill: "none",
      stroke: INK,
      "stroke-width": 0.9,
    });
  }
  const { phi, psi } = residue.minima,
    size = Math.min(3.8, Math.max(1.5, 60 / Math.sqrt(phi.length)));
  const dots = draw(svg, "g", { stroke: "#fff", "stroke-width": size > 2 ? 0.6 : 0, "fill-opacity": 0.9 });
  // New ones last, so that they stay on top.
  const order = phi.map((_, minimum) => minimum).sort((a, b) => isNew(a) - isNew(b));
  for (const minimum of order) {
    if (phi[minimum] === null || psi[minimum] === null) continue;
    points.push([minimum, x(phi[minimum]), y(psi[minimum])]);
    mark(
      dots,
      x(phi[minimum]),
      y(psi[minimum]),
      size,
      isNew(minimum) ? data.colours.new : data.colours.known,
      isNew(minimum),
    );
  }
}
