// The plots of the report. Each function gives a section, or null where there is nothing to show.

const MOST_LINES = 1200; // of parallel coordinates

function bestSoFar() {
  if (!report.progress.some((search) => search.best.length)) return null;
  const { metric, direction } = trials.objective;
  let by = "trials";
  const rowOf = new Map((trials.byName.get("number")?.values || []).map((value, row) => [value, row]));
  const box = figure("Best so far", (width) => {
    const known = report.progress.flatMap((search) => search.points.values);
    const must = report.progress.flatMap((search) => search.best.slice(-1)).filter((value) => value !== null);
    const last = Math.max(...report.progress.map((search) => search[by].at(-1) ?? 0));
    const drawing = plot(width, 300, { extent: [0, last || 1], label: by === "trials" ? "trials" : "seconds of training", whole: by === "trials" },
      { extent: extent(known, { direction, must }), label: metric }, `Best ${metric} so far`);
    report.progress.toReversed().forEach((search) => {
      const own = search === report.progress[0];
      const rows = own ? search.points.numbers.map((value) => rowOf.get(value)) : null;
      dots(drawing, search.points[by], search.points.values, rows, own ? "own faint" : "other faint");
      line(drawing, [...search[by], last], [...search.best, search.best.at(-1)], own ? "own" : "other", true);
    });
    hover(drawing, tellTrial);
    return drawing.root;
  });
  const choose = (value) => {
    by = value;
    box.redraw();
  };
  const names = report.progress.map((search, i) => [i ? "other" : "own", `${search.name} (${search.controller})`]);
  return section("progress", "Best so far", `The best ${metric} found, and each network as a dot.`,
    el("div", { class: "tools" }, legend(names), switcher("By", [["trials", "by trials"], ["seconds", "by seconds"]], by, choose)), box);
}

function pareto() {
  const objectives = report.search.objectives;
  if (objectives.length < 2 || !report.front) return null;
  let [second, first] = [1, 0];
  const box = figure("Objectives", (width) => {
    const [x, y] = [objectives[second], objectives[first]].map(({ metric }) => trials.byName.get(metric));
    const log = spreads(x.values);
    const span = extent(x.values, log ? {} : { direction: objectives[second].direction });
    const known = x.values.filter((value) => value !== null);
    const far = log ? [known.reduce((a, b) => Math.min(a, b)) * 0.9, known.reduce((a, b) => Math.max(a, b)) * 1.1] : span;
    const drawing = plot(width, 320, { extent: far, label: objectives[second].metric, log },
      { extent: extent(y.values, { direction: objectives[first].direction }), label: objectives[first].metric }, "Objectives of all trials");
    const front = new Set(report.front);
    const [kept_, hidden] = [[], []];
    for (let row = 0; row < trials.count; row++) (view.has[row] ? kept_ : hidden).push(row);
    const at = (column, rows) => rows.map((row) => column.values[row]);
    dots(drawing, at(x, hidden), at(y, hidden), null, "out");
    const rest = kept_.filter((row) => !front.has(row));
    dots(drawing, at(x, rest), at(y, rest), rest, "own faint");
    const best = [...front].filter((row) => x.values[row] !== null).sort((a, b) => x.values[a] - x.values[b]);
    if (objectives.length === 2) line(drawing, at(x, best), at(y, best), "own", objectives[second].direction === "minimize");
    dots(drawing, at(x, best), at(y, best), best, "own front");
    hover(drawing, tellTrial);
    return drawing.root;
  });
  view.listeners.push(() => box.redraw());
  const pairs = objectives.flatMap((_, i) => objectives.slice(i + 1).map((_, j) => [i, i + 1 + j]));
  const choose = (value) => {
    [first, second] = value.split(" ").map(Number);
    box.redraw();
  };
  const options = pairs.map(([a, b]) => [`${a} ${b}`, `${objectives[a].metric} and ${objectives[b].metric}`]);
  const volume = report.hypervolume === null ? "" : ` Its hypervolume is ${number(report.hypervolume)}, measured from the worst of each objective (${report.reference.map(number).join(", ")}).`;
  return section("pareto", "Trade-offs",
    `${told(report.front.length, 0)} networks than which no other is better in every objective.${volume}`,
    options.length > 1 ? switcher("Objectives", options, "0 1", choose) : null, box,
    legend([["dot front", "not beaten by any"], ["dot", "others"]]));
}

function curves() {
  const { lines, metric, correlations, of } = report.curves;
  const longest = Math.max(0, ...lines.map((one) => one.epochs.at(-1)));
  if (longest < 2) return null;
  const { direction } = trials.objective;
  const counts = { complete: 0, stopped: 0, failed: 0, running: 0 };
  for (const one of lines) counts[one.ended] += 1;
  const box = figure("Learning curves", (width) => {
    const drawing = plot(width, 300, { extent: [1, longest], label: "epoch", whole: true },
      { extent: extent(lines.flatMap((one) => one.values), { direction }), label: metric }, `Learning curves: ${metric} by epoch`);
    drawing.root.style.setProperty("--thin", thin(lines.length));
    for (const kind of ["stopped", "complete", "failed", "running"]) {
      for (const one of lines.filter((each) => each.ended === kind).toReversed()) {
        line(drawing, one.epochs, one.values, `curve ${kind}${view.has[one.row] ? "" : " dim"}${one.row === 0 ? " best" : ""}`);
        const end = one.epochs.length - 1;
        if (kind !== "complete") dots(drawing, [one.epochs[end]], [one.values[end]], [one.row], `end ${kind}`);
        one.epochs.forEach((epoch, i) => {
          if (one.values[i] !== null) drawing.points.push([drawing.X(epoch), drawing.Y(one.values[i]), one.row]);
        });
      }
    }
    hover(drawing, tellTrial);
    return drawing.root;
  });
  view.listeners.push(() => box.redraw());
  const told_ = { complete: "to the end", stopped: "stopped early", failed: "failed", running: "running" };
  const kinds = Object.keys(counts).filter((kind) => counts[kind]).map((kind) => [`curve ${kind}`, `${told_[kind]} (${told(counts[kind], 0)})`]);
  const some = lines.length < of ? `${told(lines.length, 0)} of ${told(of, 0)} trials: the best, and others evenly from the rest.` : "All trials.";
  return section("curves", "Learning curves", some, legend([...(lines.some((one) => one.row === 0) ? [["curve best", "the best"]] : []), ...kinds]), box, foretold(correlations));
}

/** How strong each of so many lines is drawn, so that all of them together can be read. */
function thin(count) {
  return String(Math.max(0.12, Math.min(0.7, 8 / Math.sqrt(count + 1) / 2)));
}

/** How early the ranking of the end shows. */
function foretold(correlations) {
  if (!correlations.length) return null;
  const box = figure("Rank correlation", (width) => {
    const least = Math.min(0, ...correlations.map((one) => one.spearman));
    const epochs = correlations.map((one) => one.epoch);
    const drawing = plot(width, 160, { extent: [Math.min(...epochs), Math.max(...epochs, 2)], label: "epoch", whole: true },
      { extent: [least, 1], label: "Spearman" }, "Rank correlation with the last epoch");
    const values = correlations.map((one) => one.spearman);
    line(drawing, epochs, values, "own");
    dots(drawing, epochs, values, null, "own");
    return drawing.root;
  });
  const words = correlations.slice(0, 1).map((one) => `After epoch ${one.epoch} the ranking agrees with that of the end by ${told(one.spearman, 2)} (Spearman, ${told(one.trials, 0)} trials).`);
  return el("div", {}, el("h3", {}, "Does who leads early lead in the end?"), el("p", { class: "about" }, words), box);
}

/** Decisions side by side, a line for each network, coloured by how good it is. */
function parallel() {
  const objective = trials.byName.get(trials.objective.metric);
  const ranked = report.importance.decisions.map((one) => trials.decisions.find((column) => column.name === one.path)).filter(Boolean);
  const varied = trials.decisions.filter((column) => !ranked.includes(column) && new Set(column.values).size > 1);
  const chosen = [...ranked, ...varied].slice(0, 7);
  if (!objective || !chosen.length || trials.count < 3) return null;
  const box = figure("Parallel coordinates", (width) => parallelLines(width, chosen, objective));
  view.listeners.push(() => box.redraw());
  const which = ranked.length ? "The most important decisions" : "Decisions";
  return section("parallel", "Decisions", `${which} and the ${objective.name} they led to; a line for each network, the better the stronger. It follows the filter.`, box);
}

function parallelLines(width, chosen, objective) {
  const [height, top, bottom, left, right] = [360, 54, 312, 70, 60];
  const columns = [...chosen, objective];
  const rows = view.rows.filter((row) => objective.values[row] !== null);
  const half = MOST_LINES / 2;
  const step = Math.max(1, Math.ceil((rows.length - half) / half));
  const some = rows.filter((_, i) => i < half || (i - half) % step === 0);
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Parallel coordinates of decisions" });
  const scales = columns.map((column) => axisScale(column, top, bottom, column === objective && trials.objective.direction));
  const X = (i) => left + (i * (width - left - right)) / (columns.length - 1);
  const sign = trials.objective.direction === "maximize" ? 1 : -1;
  const ordered = some.toSorted((a, b) => sign * (objective.values[a] - objective.values[b]));
  const bins = 5;
  let before = "0";
  root.style.setProperty("--thin", thin(ordered.length));
  const paths = Array(bins).fill("");
  ordered.forEach((row, place) => {
    const rank = place / ordered.length; // the better, the higher among those that took the same way
    let path = "";
    columns.forEach((column, i) => {
      const value = column.values[row];
      const at = value === null ? height - 12 : scales[i](value) + scales[i].band * (0.5 - rank);
      const [x, y] = [X(i).toFixed(1), at.toFixed(1)];
      const middle = i && ((X(i - 1) + X(i)) / 2).toFixed(1);
      path += i ? `C${middle} ${before} ${middle} ${y} ${x} ${y}` : `M${x} ${y}`;
      before = y;
    });
    paths[Math.floor(rank * bins)] += path;
  });
  paths.forEach((path, bin) => root.append(svg("path", { d: path, class: `parallel bin${bin}` })));
  columns.forEach((column, i) => {
    const anchor = i === columns.length - 1 ? "end" : i ? "middle" : "start";
    const name = svg("text", { x: i === columns.length - 1 ? width : i ? X(i) : 0, y: i % 2 ? 26 : 12, "text-anchor": anchor, class: "title" }, ending(column.name, width / columns.length / 3.6));
    name.append(svg("title", {}, column.name));
    root.append(svg("line", { x1: X(i), x2: X(i), y1: top, y2: bottom, class: "base" }), name);
    for (const [at, text] of scales[i].labels) {
      const beside = i === columns.length - 1 ? { x: X(i) + 6, "text-anchor": "start" } : { x: X(i) - 6, "text-anchor": "end" };
      root.append(svg("text", { ...beside, y: at, dy: "0.32em", class: "tick" }, ending(text, 11)));
    }
    if (column !== objective && column.values.includes(null)) root.append(svg("text", { x: X(i) - 6, y: height - 12, dy: "0.32em", "text-anchor": "end", class: "tick" }, "none"));
  });
  return root;
}

/** Where the values of a column stand on its axis, and what is written there. */
function axisScale(column, top, bottom, direction) {
  if (column.labels || (!direction && new Set(column.values).size <= 9)) {
    const present = [...new Set(column.values)].filter((value) => value !== null).sort((a, b) => a - b);
    const gap = (bottom - top) / Math.max(1, present.length - 1);
    const places = new Map(present.map((value, i) => [value, present.length === 1 ? (top + bottom) / 2 : bottom - i * gap]));
    const every = Math.ceil(present.length / 14);
    const labels = present.filter((_, i) => i % every === 0).map((value) => [places.get(value), column.labels ? column.labels[value] : short(value)]);
    return Object.assign((value) => places.get(value), { labels, band: Math.min(34, gap * 0.5) });
  }
  const known = column.values.filter((value) => value !== null);
  const [least, most] = [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
  const log = spreads(known) && !direction;
  const [from, to] = direction ? extent(known, { direction }) : [least, most];
  const [low, high] = [Math.max(least, from), Math.min(most, to)];
  const inner = scale(low, high, bottom, top, log);
  const map = (value) => inner(Math.max(low, Math.min(high, value)));
  const marks = log ? logTicks(low, high) : ticks(low, high, 5);
  return Object.assign(map, { band: 0, labels: marks.map((value) => [map(value), short(value)]) });
}

/** The end of a text that is too long: paths tell more there. */
function ending(text, most) {
  return text.length <= most ? text : `…${text.slice(-Math.max(3, Math.floor(most) - 1))}`;
}

function importance() {
  const { decisions, explained, trials: count } = report.importance;
  if (!decisions.length) return null;
  const trust = explained < 0.1 ? "It explains so little that this ranking means little." : "";
  const about = `What share of the ranking by ${trials.objective.metric} each decision decides, with its interactions: permutation importance in a random forest, which with all of them explains ${percent(Math.max(0, explained))} of the ranking of networks that it has not seen (${told(count, 0)} trials). ${trust}`;
  const rows = decisions.slice(0, 14).map((one) => ({
    name: one.path, value: one.importance, text: told(one.importance, 3), remark: one.best === null ? "" : `best: ${one.best}`,
  }));
  const more = decisions.length > rows.length ? el("p", { class: "about" }, `and ${decisions.length - rows.length} that matter less`) : null;
  return section("importance", "Importance of decisions", about, bars(rows), more);
}

function failures() {
  if (!report.failures.length) return null;
  const rows = report.failures.map((one) => ({
    name: one.reason, value: one.count, text: told(one.count, 0), kind: one.status,
    remark: one.message ? one.message.split("\n")[0] : "",
  }));
  return section("failures", "What failed", "By reason, with what the last one said. Some broke a limit before any training, or took too much time.", bars(rows));
}

/** What the plan of the search chose, when and why. */
function plan() {
  if (!report.plan.length) return null;
  const rows = report.plan.map(({ seconds, part, reason }) => el("div", {}, el("dt", {}, `${duration(seconds)}, ${part}`), el("dd", {}, reason)));
  return section("plan", "Plan", "What was chosen by the budget, after how much of it, and why.", el("dl", { class: "plan" }, rows));
}

/** How a bank of shared weights learnt, and what scores with its weights were worth. */
function sharedWeights() {
  if (!report.shared) return null;
  const { epochs, losses, seconds, metric, networks: both, agreement, regret } = report.shared;
  const learnt = figure("Training loss of the bank", (width) => {
    const drawing = plot(width, 160, { extent: [1, Math.max(2, epochs.at(-1))], label: "epoch", whole: true },
      { extent: extent(losses), label: "loss" }, "Training loss of the bank by epoch");
    line(drawing, epochs, losses, "own");
    return drawing.root;
  });
  const about = `One bank was trained for ${told(epochs.length, 0)} epochs, in ${duration(seconds)}.`;
  if (both.trained.length < 2) return section("shared", "Shared weights", about, learnt);
  const box = figure("Inherited and trained", (width) => {
    const drawing = plot(width, 240, { extent: extent(both.inherited), label: `${metric}, inherited` },
      { extent: extent(both.trained), label: `${metric}, trained` }, "Networks with inherited weights and trained");
    dots(drawing, both.inherited, both.trained, both.rows, "own");
    hover(drawing, tellTrial);
    return drawing.root;
  });
  const behind = regret === null ? "" : ` The best of the five that they put first stays behind the best of all by ${number(regret)}.`;
  const words = `Inherited scores order the ${told(both.trained.length, 0)} networks that were trained by tau ${told(agreement, 2)} (Kendall).${behind}`;
  return section("shared", "Shared weights", `${about} ${words}`, box, learnt);
}

function workers() {
  if (!report.usage) return null;
  const { at, shares, workers: count, busy } = report.usage;
  const box = figure("Workers", (width) => {
    const drawing = plot(width, 200, { extent: [0, at.at(-1) || 1], label: "seconds of the search" }, { extent: [0, 1], label: "share of time" }, "How the workers' time was spent");
    let below = at.map(() => 0);
    for (const kind of ["busy", "overhead", "idle"]) {
      const above = below.map((value, i) => value + (shares[kind][i] || 0));
      let path = "";
      at.forEach((end, i) => {
        const [x0, x1] = [drawing.X(i ? at[i - 1] : 0).toFixed(1), drawing.X(end).toFixed(1)];
        path += `M${x0} ${drawing.Y(below[i]).toFixed(1)}V${drawing.Y(above[i]).toFixed(1)}H${x1}V${drawing.Y(below[i]).toFixed(1)}Z`;
      });
      drawing.inside.prepend(svg("path", { d: path, class: `area ${kind}` }));
      below = above;
    }
    return drawing.root;
  });
  return section("workers", "Workers", `${told(count, 0)} workers, busy ${percent(busy)} of their time.`, box,
    legend([["area busy", "busy"], ["area overhead", "overhead"], ["area idle", "idle"]]));
}

/** How busy and how full each card was. */
function cards() {
  if (!report.cards) return null;
  const { of, cards: shown } = report.cards;
  const share = (value) => (value === null ? "unknown" : percent(value));
  const drawn = shown.map((card) => {
    const { at, busy, full } = card.over_time;
    const label = `${card.name} on ${card.node}`;
    const box = figure(label, (width) => {
      const drawing = plot(width, 140, { extent: [0, at.at(-1) || 1], label: "seconds of the search" }, { extent: [0, 1], label: "share" }, `${label}: how busy and how full it was`);
      line(drawing, at, full, "other");
      line(drawing, at, busy, "own");
      dots(drawing, at.slice(-1), full.slice(-1), null, "other");
      dots(drawing, at.slice(-1), busy.slice(-1), null, "own");
      return drawing.root;
    });
    const memory = card.memory_total === null ? "memory" : `${short(card.memory_total / 1e9)} GB of memory`;
    const told_ = `${card.id}: busy ${share(card.busy)}, ${memory} in use ${share(card.full)}; at last ${card.trials} trials, room for ${card.room}.`;
    return el("div", {}, el("h3", {}, label), el("p", { class: "about" }, told_), box);
  });
  const some = of > shown.length ? `The busiest ${shown.length} of ${told(of, 0)} cards.` : `${told(of, 0)} cards.`;
  return section("cards", "Cards", `${some} Means over the search.`, legend([["own", "computing, share of the time"], ["other", "memory in use, of all processes"]]), drawn);
}

function networks() {
  if (!report.drawings.length) return null;
  const drawn = report.drawings.map(({ row, text }, i) =>
    el("details", { open: i === 0 }, el("summary", {}, tellTrial(row).join(" · ")), el("pre", { tabindex: "0" }, text)));
  return section("networks", "The best networks", null, drawn);
}
