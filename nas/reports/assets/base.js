"use strict";
// What every part of the page uses: elements, numbers as people read them, what the reader has chosen.

/** An element. Children that are no elements become text: nothing in this page is ever parsed as markup. */
function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An element of a drawing. */
function svg(tag, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A number with so many decimals and its thousands apart; nothing for null. */
function told(value, decimals) {
  if (value === null || value === undefined) return "";
  if (decimals === 4 && value !== 0 && Math.abs(value) < 5e-5) return value.toExponential(1);
  return value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** How many decimals numbers that stand together need. */
function decimalsOf(values) {
  let largest = 0;
  let whole = true;
  for (const value of values) {
    if (value === null) continue;
    largest = Math.max(largest, Math.abs(value));
    whole = whole && Number.isInteger(value);
  }
  return whole ? 0 : largest < 10 ? 4 : largest < 100 ? 2 : 1;
}

/** A number alone. */
function number(value) {
  return told(value, decimalsOf([value]));
}

/** A number on an axis: short. */
function short(value) {
  const size = Math.abs(value);
  if (size >= 1e4) {
    const [unit, letter] = size >= 1e9 ? [1e9, "G"] : size >= 1e6 ? [1e6, "M"] : [1e3, "k"];
    return `${Number((value / unit).toPrecision(3))}${letter}`;
  }
  return size !== 0 && size < 1e-3 ? value.toExponential(0) : String(Number(value.toPrecision(4)));
}

/** Seconds as people say them. */
function duration(seconds) {
  const all = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  return hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min ${rest} s` : `${rest} s`;
}

function date(seconds) {
  return new Date(seconds * 1000).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

function percent(share) {
  return `${Math.round(100 * share)} %`;
}

/** What is kept while the page loads itself again (a tab's choices), and for good (the theme). */
const kept = {
  read(key, where = "sessionStorage") {
    try {
      return JSON.parse(window[where].getItem(`nasforge.${key}`));
    } catch {
      return null; // no storage here, or not ours
    }
  },
  write(key, value, where = "sessionStorage") {
    try {
      window[where].setItem(`nasforge.${key}`, JSON.stringify(value));
    } catch {
      // then it is not kept
    }
  },
};

/** A section of the page, with its heading and a line about what it shows. */
function section(id, title, about, ...children) {
  const heading = el("h2", {}, title);
  return el("section", { id, "aria-label": title }, heading, about ? el("p", { class: "about" }, about) : null, ...children);
}

/** A row of buttons of which one is pressed. */
function switcher(label, options, chosen, choose) {
  const group = el("div", { class: "switch", role: "group", "aria-label": label });
  for (const [value, text] of options) {
    const press = () => {
      for (const other of group.children) other.setAttribute("aria-pressed", String(other === button));
      choose(value);
    };
    const button = el("button", { type: "button", "aria-pressed": String(value === chosen), onclick: press }, text);
    group.append(button);
  }
  return group;
}

/** Bars with a name, a number and a remark each; what is told by length is told in words too. */
function bars(rows) {
  const most = Math.max(...rows.map((row) => row.value), 1e-12);
  const list = el("ul", { class: "bars" });
  for (const row of rows) {
    const bar = el("i", { class: row.kind || "" });
    bar.style.width = `${(100 * row.value) / most}%`;
    list.append(
      el("li", {}, el("span", { class: "name", title: row.name }, row.name), el("span", { class: "track" }, bar),
        el("span", { class: "number" }, row.text), row.remark ? el("span", { class: "remark" }, row.remark) : null),
    );
  }
  return list;
}
