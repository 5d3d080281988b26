// Drawings with two axes, made of SVG so that they follow the theme and can be printed.

const MARGIN = { top: 12, right: 14, bottom: 38, left: 58 };

/** A figure that is drawn anew when its width changes; `draw(width)` gives its content. */
function figure(label, draw) {
  const box = el("figure", { "aria-label": label });
  let width = 0;
  const redraw = () => width && box.replaceChildren(draw(width));
  new ResizeObserver(([entry]) => {
    const now = Math.round(entry.contentRect.width);
    if (now && now !== width) {
      width = now;
      redraw();
    }
  }).observe(box);
  box.redraw = redraw;
  return box;
}

/** Round numbers between two, about `count` of them. */
function ticks(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= raw) * power;
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return found;
}

/** Powers of ten between two, with 2 and 5 times them where there is room. */
function logTicks(low, high) {
  const found = [];
  const factors = high / low < 1e3 ? [1, 2, 5] : [1];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
    for (const factor of factors) {
      const value = factor * 10 ** power;
      if (value >= low * 0.999 && value <= high * 1.001) found.push(value);
    }
  }
  return found;
}

/** A scale from values to pixels; logarithmic where asked and possible. */
function scale(low, high, from, to, log) {
  const inner = log ? Math.log : (value) => value;
  const [a, b] = [inner(low), inner(high)];
  const map = (value) => from + ((inner(value) - a) / (b - a || 1)) * (to - from);
  return Object.assign(map, { low, high, log });
}

/** Whether numbers lie so far apart that a logarithm shows them better. */
function spreads(values) {
  const known = values.filter((value) => value !== null);
  const low = Math.min(...known.slice(0, 1), known.reduce((a, b) => Math.min(a, b), Infinity));
  return low > 0 && known.reduce((a, b) => Math.max(a, b), low) / low > 30;
}

/** From where to where an axis goes that shows these numbers: all of them, or but for outliers on the bad side. */
function extent(values, { direction, must = [] } = {}) {
  const known = values.filter((value) => value !== null && value !== undefined).sort((a, b) => a - b);
  if (!known.length) return [0, 1];
  let [low, high] = [known[0], known[known.length - 1]];
  if (direction && known.length > 20) {
    const [a, b] = [known[Math.floor(known.length * 0.1)], known[Math.floor(known.length * 0.9)]];
    if (direction === "maximize") low = Math.max(low, a - 0.5 * (high - a));
    else high = Math.min(high, b + 0.5 * (b - low));
  }
  low = Math.min(low, ...must);
  high = Math.max(high, ...must);
  const room = (high - low || Math.abs(high) || 1) * 0.04;
  return [low - room, high + room];
}

/** An empty drawing with axes. `x` and `y` are {extent, label, log}. */
function plot(width, height, x, y, label) {
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const right = width - MARGIN.right;
  const bottom = height - MARGIN.bottom;
  const X = scale(x.extent[0], x.extent[1], MARGIN.left, right, x.log);
  const Y = scale(y.extent[0], y.extent[1], bottom, MARGIN.top, y.log);
  const axes = svg("g", { class: "axes" });
  for (const value of y.log ? logTicks(Y.low, Y.high) : ticks(Y.low, Y.high, Math.max(2, height / 55))) {
    axes.append(
      svg("line", { x1: MARGIN.left, x2: right, y1: Y(value), y2: Y(value), class: "grid" }),
      svg("text", { x: MARGIN.left - 8, y: Y(value), dy: "0.32em", "text-anchor": "end" }, short(value)),
    );
  }
  const steps = x.log ? logTicks(X.low, X.high) : ticks(X.low, X.high, Math.max(2, width / 90));
  for (const value of steps) {
    if (x.whole && !Number.isInteger(value)) continue;
    axes.append(svg("text", { x: X(value), y: bottom + 17, "text-anchor": "middle" }, short(value)));
  }
  axes.append(
    svg("line", { x1: MARGIN.left, x2: right, y1: bottom, y2: bottom, class: "base" }),
    svg("text", { x: right, y: height - 4, "text-anchor": "end", class: "title" }, x.label),
    svg("text", { x: 0, y: 0, transform: `translate(11 ${MARGIN.top}) rotate(-90)`, "text-anchor": "end", class: "title" }, y.label),
  );
  const clip = `clip-${plot.made = (plot.made || 0) + 1}`;
  const inside = svg("g", { "clip-path": `url(#${clip})` });
  const frame = { x: MARGIN.left, y: MARGIN.top - 4, width: Math.max(0, right - MARGIN.left + 6), height: bottom - MARGIN.top + 6 };
  root.append(svg("clipPath", { id: clip }, svg("rect", frame)), axes, inside);
  return { root, inside, X, Y, right, bottom, points: [] };
}

/** Dots, all of a kind in one path; `rows` are the trials that they stand for. */
function dots(drawing, xs, ys, rows, kind) {
  let path = "";
  for (let i = 0; i < xs.length; i++) {
    if (xs[i] === null || ys[i] === null) continue;
    const [px, py] = [drawing.X(xs[i]), drawing.Y(ys[i])];
    path += `M${px.toFixed(1)} ${py.toFixed(1)}h0`;
    if (rows && rows[i] !== undefined) drawing.points.push([px, py, rows[i]]);
  }
  drawing.inside.append(svg("path", { d: path, class: `dots ${kind}` }));
}

/** A line; `stepped` where a value holds until the next. */
function line(drawing, xs, ys, kind, stepped = false) {
  let path = "";
  for (let i = 0; i < xs.length; i++) {
    if (ys[i] === null || xs[i] === null) continue;
    const [px, py] = [drawing.X(xs[i]).toFixed(1), drawing.Y(ys[i]).toFixed(1)];
    path += !path ? `M${px} ${py}` : stepped ? `H${px}V${py}` : `L${px} ${py}`;
  }
  const drawn = svg("path", { d: path, class: `line ${kind}` });
  drawing.inside.append(drawn);
  return drawn;
}

/** Tells of the trial next to the pointer, and shows it in the leaderboard when pressed. */
function hover(drawing, tell) {
  const mark = svg("circle", { r: 5, class: "mark", visibility: "hidden" });
  drawing.root.append(mark);
  const nearest = (event) => {
    const box = drawing.root.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = null;
    let least = 30 ** 2;
    for (const point of drawing.points) {
      const distance = (point[0] - x) ** 2 + (point[1] - y) ** 2;
      if (distance < least) [best, least] = [point, distance];
    }
    return best;
  };
  drawing.root.addEventListener("pointermove", (event) => {
    const point = nearest(event);
    mark.setAttribute("visibility", point ? "visible" : "hidden");
    drawing.root.classList.toggle("pointing", Boolean(point));
    if (!point) return tip.hide();
    mark.setAttribute("cx", point[0]);
    mark.setAttribute("cy", point[1]);
    return tip.show(event, tell(point[2]));
  });
  drawing.root.addEventListener("pointerleave", () => {
    mark.setAttribute("visibility", "hidden");
    tip.hide();
  });
  drawing.root.addEventListener("click", (event) => {
    const point = nearest(event);
    if (point) leaderboard.reveal(point[2]);
  });
}

/** What is said beside the pointer. */
const tip = {
  box: el("div", { id: "tip", hidden: true }),
  show(event, lines) {
    this.box.replaceChildren(...lines.map((text) => el("div", {}, text)));
    this.box.hidden = false;
    const width = this.box.offsetWidth;
    const left = event.clientX + 14 + width > window.innerWidth ? event.clientX - width - 14 : event.clientX + 14;
    this.box.style.left = `${Math.max(4, left)}px`;
    this.box.style.top = `${event.clientY + 14}px`;
  },
  hide() {
    this.box.hidden = true;
  },
};

/** What the colours of a drawing stand for. */
function legend(entries) {
  return el("p", { class: "legend" }, entries.map(([kind, text]) => el("span", {}, el("i", { class: kind }), text)));
}

/** A trial in a few lines: what it is, its objectives. */
function tellTrial(row) {
  const lines = [`${trials.id(row).slice(0, 8)}, rank ${trials.at("rank", row) ?? "none"}`];
  for (const { metric } of report.search.objectives) {
    const column = trials.byName.get(metric);
    if (column && column.values[row] !== null) lines.push(`${metric} ${trials.text(column, row)}`);
  }
  return lines;
}
