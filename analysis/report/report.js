// The page: fills its parts in order, and chooses the lowest minimum at first.

function buildOverview() {
  const part = data.overview;
  byId("title").textContent = part.title;
  const level = part.facts.find(([name]) => name === "Level of theory");
  for (const piece of part.formula.split(/(\d+)/))
    byId("subtitle").append(/^\d+$/.test(piece) ? make("sub", {}, piece) : piece);
  byId("subtitle").append(level ? `, explored at the level ${level[1]}` : "");
  for (const { label, value } of part.figures)
    byId("tiles").append(make("div", { class: "tile" }, make("b", {}, value), make("span", {}, label)));
  byId("facts").replaceWith(Object.assign(factTable(part.facts), { id: "facts" }));
  if (part.outcomes.length)
    barFigure(byId("outcomes"), {
      name: "outcomes",
      title: "How quenches ended",
      rows: part.outcomes,
      colour: data.colours.known,
      note: "",
    });
  else leftOut(byId("outcomes"), { left_out: "No quench has ended yet." });
  if (!part.estimates.length)
    return void leftOut(byId("estimates"), {
      left_out: "Nothing was visited yet, so nothing can be said about completeness.",
    });
  for (const { name, value, interval, meaning } of part.estimates) {
    byId("estimates").append(
      make(
        "div",
        { class: "estimate" },
        make("b", {}, `${name}: ${value}`),
        ` (${interval})`,
        make("div", { class: "note" }, `${meaning}.`),
      ),
    );
  }
  byId("estimates").append(make("p", { class: "note" }, part.warning));
}

function buildLandscape() {
  const painted = [buildGraph(byId("graph")), buildMap(byId("map"))].filter((part) => part !== null);
  const options = minima.columns
    .filter((column) => !/^(phi|psi|pc)_/.test(column.key))
    .map((column) => [column.key, column.label]);
  const first = columnOf.new ? "new" : columnOf.energy ? "energy" : options.length ? options[0][0] : null;
  const paint = (key) => painted.forEach((part) => part.paint(key));
  if (painted.length && options.length)
    byId("colouring").append(
      menu("Colour by", options, first, paint),
      make("span", { class: "note" }, "Point at a minimum for its numbers; click to see it."),
    );
  if (minima.number.length) buildViewer(byId("viewer"));
  else leftOut(byId("viewer"), { left_out: "There is no structure to show, because no minimum was found yet." });
  buildTable(byId("minima"));
  paint(first);
}

buildOverview();
buildLandscape();
buildDiscovery(byId("discovery"));
buildEnergies(byId("energies"));
buildRamachandran(byId("ramachandran"));
buildReference(byId("reference"));
buildEffort(byId("effort"));
buildViolations(byId("violations"));
const lowest = minima.number
  .filter((row) => minima.energy[row] !== null)
  .reduce((best, row) => (best === null || minima.energy[row] < minima.energy[best] ? row : best), null);
choose(lowest === null && minima.number.length ? 0 : lowest);
document.body.dataset.ready = "yes";
