// The leaderboard: sorted, filtered, a page at a time, so that ten thousand trials cost what twenty-five do.

const PAGE = 25;

const leaderboard = {
  page: 0,
  sort: 0, // place in trials.all
  down: false,
  shown: new Set(),
  open: new Set(),

  /** The section; what the reader chose before the page loaded itself again still holds. */
  make() {
    const before = kept.read(`table.${report.search.name}`) || {};
    const defaults = report.columns.filter((column) => column.shown).map((column) => column.name);
    this.shown = new Set(before.shown || defaults);
    this.sort = Math.max(0, trials.all.findIndex((column) => column.name === (before.sort || "rank")));
    this.down = Boolean(before.down);
    this.filter = el("input", {
      id: "filter", type: "search", value: before.filter || "", placeholder: this.example(), spellcheck: "false",
      autocomplete: "off", "aria-describedby": "filter-told", oninput: () => this.refilter(),
    });
    this.told = el("span", { id: "filter-told", role: "status" });
    this.body = el("tbody");
    this.head = el("tr");
    this.pager = el("nav", { class: "pager", "aria-label": "Pages of the leaderboard" });
    this.body.addEventListener("keydown", (event) => this.move(event));
    const table = el("table", {}, el("thead", {}, this.head), this.body);
    const tools = el("div", { class: "tools" }, el("label", { for: "filter" }, "Filter"), this.filter, this.told, this.picker());
    this.box = section(
      "leaderboard", "Leaderboard", "Best first, on the validation split. A click on an id shows all of a trial.",
      tools, el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Trials" }, table), this.pager,
    );
    this.refilter(before.page || 0);
    return this.box;
  },

  /** A filter that means something here. */
  example() {
    const decision = trials.decisions.find((column) => column.labels) || trials.decisions[0];
    const parts = decision ? [`${decision.name}=${trials.value(decision, decision.values.findIndex((v) => v !== null))}`] : [];
    const cost = trials.byName.get("num_params");
    if (cost && cost.values.some((value) => value)) parts.push("num_params<50000");
    return `text, or ${parts.join(", ") || "status=failed"}`;
  },

  /** Which columns there are to see. */
  picker() {
    const choice = (column) => {
      const box = el("input", {
        type: "checkbox", checked: this.shown.has(column.name),
        onchange: () => {
          this.shown[box.checked ? "add" : "delete"](column.name);
          this.draw();
        },
      });
      return el("label", {}, box, column.name);
    };
    const group = (title, columns) =>
      columns.length ? el("fieldset", {}, el("legend", {}, title), columns.map(choice)) : null;
    return el("details", { class: "picker" }, el("summary", {}, "Columns"),
      el("div", {}, group("Measured", report.columns), group("Decided", trials.decisions)));
  },

  refilter(page = 0) {
    const { rows, error } = filtered(this.filter.value);
    this.filter.setAttribute("aria-invalid", String(Boolean(error)));
    const all = told(trials.count, 0);
    const best = report.left_out ? `, the best of ${told(trials.count + report.left_out, 0)}` : "";
    const shown = rows.length === trials.count ? `${all} trials` : `${told(rows.length, 0)} of ${all} trials`;
    this.told.textContent = error || shown + best;
    this.told.classList.toggle("error", Boolean(error));
    this.page = page;
    view.show(rows);
    this.draw();
  },

  draw() {
    this.order = sorted(view.rows, trials.all[this.sort], this.down);
    const pages = Math.max(1, Math.ceil(this.order.length / PAGE));
    this.page = Math.min(this.page, pages - 1);
    const columns = trials.all.filter((column) => this.shown.has(column.name));
    this.head.replaceChildren(...columns.map((column) => this.header(column)));
    const rows = this.order.slice(this.page * PAGE, (this.page + 1) * PAGE);
    this.body.replaceChildren(...rows.flatMap((row) => this.lines(row, columns)));
    if (!rows.length) this.body.append(el("tr", {}, el("td", { class: "none", colspan: columns.length || 1 }, "No trials.")));
    this.turn(pages);
    this.keep();
  },

  header(column) {
    const place = trials.all.indexOf(column);
    const sorting = place === this.sort;
    const press = () => {
      this.down = sorting ? !this.down : false;
      this.sort = place;
      this.page = 0;
      this.draw();
      this.head.querySelector(`[data-place="${place}"]`).focus();
    };
    const button = el("button", { type: "button", "data-place": place, onclick: press }, column.name,
      el("span", { class: "arrow", "aria-hidden": "true" }, sorting ? (this.down ? "↓" : "↑") : ""));
    const order = sorting ? (this.down ? "descending" : "ascending") : null;
    return el("th", { scope: "col", class: column.labels ? "" : "number", "aria-sort": order }, button);
  },

  /** The row of a trial, with what there is to know about it below if it is open. */
  lines(row, columns) {
    const open = this.open.has(row);
    const cells = columns.map((column) => {
      const text = trials.text(column, row);
      const kind = column.labels ? (column.name === "status" ? `status ${text}` : "") : "number";
      if (column.name !== "id" || column !== trials.byName.get("id")) return el("td", { class: kind }, text);
      const toggle = () => {
        this.open[open ? "delete" : "add"](row);
        this.draw();
        this.body.querySelector(`button[data-row="${row}"]`)?.focus();
      };
      return el("td", {}, el("button", { type: "button", class: "id", "data-row": row, "aria-expanded": String(open), onclick: toggle }, text));
    });
    const line = el("tr", { class: open ? "open" : "" }, cells);
    return open ? [line, el("tr", { class: "more" }, el("td", { colspan: columns.length }, this.about(row)))] : [line];
  },

  /** All of a trial. */
  about(row) {
    const facts = (title, columns) => {
      const known = columns.filter((column) => column.values[row] !== null);
      if (!known.length) return null;
      const pairs = known.flatMap((column) => [el("dt", {}, column.name), el("dd", {}, trials.text(column, row))]);
      return el("div", {}, el("h3", {}, title), el("dl", {}, pairs));
    };
    const drawing = report.drawings.find((one) => one.row === row);
    return el("div", { class: "trial" },
      facts("Decisions", trials.decisions),
      facts("Measured", report.columns.filter((column) => column.name !== "id")),
      report.messages[row] ? el("div", { class: "wide" }, el("h3", {}, "Message"), el("pre", {}, report.messages[row])) : null,
      drawing ? el("div", { class: "wide" }, el("h3", {}, "Network"), el("pre", {}, drawing.text)) : null);
  },

  /** The buttons that turn the pages. */
  turn(pages) {
    const go = (page) => () => {
      this.page = page;
      this.draw();
    };
    const button = (text, label, page, possible) =>
      el("button", { type: "button", "aria-label": label, disabled: !possible, onclick: go(page) }, text);
    const [here, last] = [this.page, pages - 1];
    const focused = this.pager.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    this.pager.hidden = pages === 1;
    this.pager.replaceChildren(
      button("«", "First page", 0, here > 0), button("‹", "Page before", here - 1, here > 0),
      el("span", {}, `${told(here + 1, 0)} of ${told(pages, 0)}`),
      button("›", "Next page", here + 1, here < last), button("»", "Last page", last, here < last),
    );
    if (focused) this.pager.querySelector(`[aria-label="${focused}"]`)?.focus();
  },

  /** Up and down from id to id; at the ends to the next page and the one before. */
  move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !event.target.matches("button.id")) return;
    event.preventDefault();
    const buttons = [...this.body.querySelectorAll("button.id")];
    const next = buttons.indexOf(event.target) + step;
    if (buttons[next]) return void buttons[next].focus();
    const page = this.page + step;
    if (page < 0 || page * PAGE >= this.order.length) return;
    this.page = page;
    this.draw();
    const now = this.body.querySelectorAll("button.id");
    now[step > 0 ? 0 : now.length - 1]?.focus();
  },

  /** Show a trial: on its page, open, in sight. */
  reveal(row) {
    if (!view.has[row]) {
      this.filter.value = "";
      this.refilter();
    }
    this.open.add(row);
    this.page = Math.max(0, Math.floor(this.order.indexOf(row) / PAGE));
    this.draw();
    const button = this.body.querySelector(`button[data-row="${row}"]`);
    button?.scrollIntoView({ block: "center" });
    button?.focus({ preventScroll: true });
  },

  keep() {
    kept.write(`table.${report.search.name}`, {
      filter: this.filter.value, sort: trials.all[this.sort]?.name, down: this.down, page: this.page, shown: [...this.shown],
    });
  },
};
