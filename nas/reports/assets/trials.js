// The trials of the report, by column; which of them are shown, in which order.

const report = JSON.parse(document.getElementById("data").textContent);

const trials = {
  columns: report.columns,
  decisions: report.decisions,
  count: report.columns.length ? report.columns[0].values.length : 0,
  all: [...report.columns, ...report.decisions],
  byName: new Map([...report.decisions, ...report.columns].map((column) => [column.name, column])),
  objective: report.search.objectives[0],

  /** The value of a row in a column: a number, text, or null. */
  value(column, row) {
    const value = column.values[row];
    return value === null || value === undefined ? null : column.labels ? column.labels[value] : value;
  },

  /** The same as text, with as many decimals as its column has. */
  text(column, row) {
    const value = column.values[row];
    if (value === null || value === undefined) return "";
    if (column.labels) return column.labels[value];
    if (!report.columns.includes(column)) return String(Number(value.toPrecision(4))); // a decision
    column.decimals ??= { delta_m_pct: 2, mean_rank: 2 }[column.name] ?? decimalsOf(column.values);
    if (column.name === "seconds") column.decimals = Math.min(column.decimals, 2);
    return told(value, column.decimals);
  },

  /** By its name. */
  at(name, row) {
    const column = this.byName.get(name);
    return column ? this.value(column, row) : null;
  },

  id(row) {
    return this.at("id", row);
  },
};

const OPERATORS = {
  ">=": (a, b) => a >= b,
  "<=": (a, b) => a <= b,
  "!=": (a, b) => a !== b,
  "=": (a, b) => a === b,
  ">": (a, b) => a > b,
  "<": (a, b) => a < b,
};

/** One term of a filter: a condition as `nas leaderboard --where` takes it, or text that is looked for. */
function term(text) {
  const found = /^\s*([^<>=!]+?)\s*(>=|<=|!=|==|=|>|<)\s*(.+?)\s*$/s.exec(text);
  if (!found) return { text: text.trim().toLowerCase() };
  const column = trials.decisions.find((one) => one.name === found[1]) || trials.byName.get(found[1]);
  if (!column) return { error: `There is no column or decision “${found[1]}”.` };
  const wanted = found[3].replace(/^(["'])(.*)\1$/s, "$2");
  const holds = OPERATORS[found[2] === "==" ? "=" : found[2]];
  if (column.labels) {
    const fits = column.labels.map((label) => holds(label, wanted));
    return { test: (row) => column.values[row] !== null && fits[column.values[row]] };
  }
  const value = Number(wanted);
  if (Number.isNaN(value)) return { error: `“${found[1]}” is a number; “${wanted}” is none.` };
  return { test: (row) => column.values[row] !== null && holds(column.values[row], value) };
}

/** The rows that a filter leaves, and what is wrong with it. Its terms are separated by commas. */
function filtered(text) {
  const terms = (text.match(/(?:"[^"]*"|'[^']*'|[^,])+/g) || []).filter((part) => part.trim()).map(term);
  const labelled = trials.all.filter((column) => column.labels);
  const looked = terms.filter((one) => one.text).map((one) => {
    const fits = labelled.map((column) => column.labels.map((label) => label.toLowerCase().includes(one.text)));
    return (row) => labelled.some((column, i) => column.values[row] !== null && fits[i][column.values[row]]);
  });
  const tests = [...terms.filter((one) => one.test).map((one) => one.test), ...looked];
  const rows = [];
  for (let row = 0; row < trials.count; row++) if (tests.every((test) => test(row))) rows.push(row);
  return { rows, error: terms.map((one) => one.error).find(Boolean) || "" };
}

/** Rows in the order of a column; those without a value come last either way. */
function sorted(rows, column, down) {
  const places = column.labels && column.labels.map((label, i) => [label, i]).sort((a, b) => (a[0] < b[0] ? -1 : 1));
  const order = places && places.reduce((all, [, i], place) => ((all[i] = place), all), []);
  const key = (row) => (column.labels ? order[column.values[row]] : column.values[row]);
  const has = rows.filter((row) => column.values[row] !== null);
  const rest = rows.filter((row) => column.values[row] === null);
  has.sort((a, b) => (down ? key(b) - key(a) : key(a) - key(b)) || a - b);
  return has.concat(rest);
}

/** What the reader looks at. Parts of the page that depend on the filter ask to be told. */
const view = {
  rows: [],
  listeners: [],
  show(rows) {
    this.rows = rows;
    this.has = new Uint8Array(trials.count);
    for (const row of rows) this.has[row] = 1;
    for (const listener of this.listeners) listener();
  },
};
