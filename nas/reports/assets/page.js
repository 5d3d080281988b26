// The page: its head, its sections one after the other, its theme, and loading itself again while a search runs.

function head() {
  const { name, state, problem, tasks, inputs, controller, fidelity, objectives, limits, seed, warnings } = report.search;
  const what = [
    ["problem", `${problem}: ${inputs.join(", ")} → ${tasks.join(", ")}`],
    ["controller", fidelity ? `${controller}, ${fidelity}` : controller],
    [objectives.length > 1 ? "objectives" : "objective", objectives.map((one) => `${one.direction} ${one.metric}`).join(", ")],
    ["limits", limits.join(", ")],
    ["seed", String(seed)],
    ["began", date(report.search.began_at)],
    ["report of", date(report.search.written_at)],
    ["ended", report.search.reason || ""],
  ];
  const pairs = what.filter(([, text]) => text).map(([name_, text]) => el("div", {}, el("dt", {}, name_), el("dd", {}, text)));
  return [
    el("div", { class: "bar" }, el("h1", {}, name), el("span", { class: `state ${state}` }, state), themes()),
    el("dl", { class: "what" }, pairs),
    ...warnings.map((text) => el("p", { class: "warning", role: "note" }, `Warning: ${text}`)),
  ];
}

/** The figures that a reader wants first. */
function summary() {
  const counts = report.counts;
  const measured = (counts.complete || 0) + (counts.paused || 0);
  const tiles = [];
  for (const [i, { metric, direction }] of report.search.objectives.entries()) {
    const column = trials.byName.get(metric);
    const values = column ? column.values.filter((value, row) => value !== null && trials.at("feasible", row) !== "false") : [];
    if (!values.length) continue;
    const best = values.reduce((a, b) => (direction === "maximize" ? Math.max(a, b) : Math.min(a, b)));
    const row = i === 0 && report.search.objectives.length === 1 ? trials.id(column.values.indexOf(best)).slice(0, 8) : "";
    tiles.push([number(best), `best ${metric}`, row]);
  }
  tiles.push([told(measured, 0), "networks measured", counts.running ? `${told(counts.running, 0)} running` : ""]);
  tiles.push([told(counts.failed || 0, 0), "failed", counts.infeasible ? `${told(counts.infeasible, 0)} turned down` : ""]);
  if (counts.repeated) tiles.push([told(counts.repeated, 0), "known already", "answered from the record"]);
  tiles.push([duration(report.search.elapsed_seconds), "taken", report.usage ? `workers busy ${percent(report.usage.busy)}` : ""]);
  return el("section", { id: "summary", "aria-label": "Summary", class: "tiles" },
    tiles.map(([value, name, more]) => el("div", {}, el("b", {}, value), el("span", {}, name), more ? el("small", {}, more) : null)));
}

function themes() {
  const chosen = kept.read("theme", "localStorage") || "auto";
  const choose = (theme) => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    kept.write("theme", theme, "localStorage");
  };
  choose(chosen);
  return switcher("Theme", [["auto", "auto"], ["light", "light"], ["dark", "dark"]], chosen, choose);
}

/** Where to go on the page. */
function contents(sections) {
  const links = sections.map((one) => el("li", {}, el("a", { href: `#${one.id}` }, one.querySelector("h2").textContent)));
  return el("nav", { "aria-label": "Sections", class: "contents" }, el("ul", {}, links));
}

/** Load the page again, but not under the hands of somebody who types or points at something. */
function reloading(seconds) {
  const again = () => {
    const typing = document.activeElement?.matches("input") && document.hasFocus();
    if (document.hidden || typing || !tip.box.hidden) return;
    kept.write(`scroll.${report.search.name}`, window.scrollY);
    window.location.reload();
  };
  setInterval(again, 1000 * seconds);
  const before = kept.read(`scroll.${report.search.name}`);
  if (before !== null) window.scrollTo(0, before);
  kept.write(`scroll.${report.search.name}`, null);
}

function build() {
  document.getElementById("head").append(...head());
  const main = document.getElementById("main");
  const table = leaderboard.make();
  const sections = [bestSoFar(), table, pareto(), curves(), parallel(), importance(), failures(), plan(), sharedWeights(), workers(), cards(), networks()].filter(Boolean);
  main.append(summary(), ...sections);
  document.getElementById("head").append(contents(sections));
  document.body.append(tip.box);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input")) return;
    event.preventDefault();
    leaderboard.filter.focus();
  });
  if (report.reload_seconds) reloading(report.reload_seconds);
  const ready = () => {
    document.documentElement.dataset.ready = String(Math.round(performance.now())); // milliseconds since it was asked for
  };
  requestAnimationFrame(() => setTimeout(ready)); // when the figures have been drawn
}

build();
