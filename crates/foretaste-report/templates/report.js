"use strict";
(() => {
  const get = (id) => document.getElementById(id);
  const make = (tag, text, name) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text; // never as markup: the text is the data's
    if (name) node.className = name;
    return node;
  };

  const theme = get("theme");
  const dark = () =>
    document.documentElement.dataset.theme
      ? document.documentElement.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
  const name = () => { theme.textContent = dark() ? "Light" : "Dark"; };
  theme.hidden = false;
  name();
  theme.addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    name();
  });

  document.querySelectorAll(".copied").forEach((pre) => {
    const holder = make("div", undefined, "holder"), button = make("button", "Copy", "ghost copy");
    button.type = "button";
    pre.replaceWith(holder);
    holder.append(pre, button);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(pre.textContent);
        button.textContent = "Copied";
      } catch { // no leave to write: select it, so that a key copies it
        getSelection().selectAllChildren(pre);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  });

  const data = JSON.parse(get("data").textContent);
  const table = get("table"), more = get("more");
  if (!data.rows.length) return;
  const STEP = 50, GRAVE = ["quarantine", "review", "keep"];
  const verdictAt = data.head.findIndex((h) => h[1] === "verdict");
  const findingsAt = data.head.findIndex((h) => h[0] === "Findings");
  const idAt = data.head.findIndex((h) => h[0] === "Sample");
  let limit = STEP, sortBy = -1, down = false, finding = "";
  const words = data.rows.map((r) => r.slice(0, idAt + 1).join(" ").toLowerCase());

  const show = (value, kind) => {
    if (value === null || value === undefined) return "";
    if (kind !== "number" || Number.isInteger(value)) return String(value);
    return value !== 0 && (Math.abs(value) < 0.001 || Math.abs(value) >= 1e6)
      ? value.toExponential(1) : String(Number(value.toPrecision(3)));
  };
  const compare = (a, b) => {
    const x = data.rows[a][sortBy], y = data.rows[b][sortBy];
    const none = (v) => v === null || v === "";
    if (none(x) || none(y)) return none(x) - none(y) || a - b; // the missing stay last
    const order = typeof x === "number" ? x - y
      : sortBy === verdictAt ? GRAVE.indexOf(x) - GRAVE.indexOf(y)
      : String(x).localeCompare(String(y), undefined, { numeric: true });
    return (down ? -order : order) || a - b;
  };
  const chosen = () => {
    const text = get("filter").value.trim().toLowerCase(), verdict = get("verdict").value;
    const rows = [...data.rows.keys()].filter((i) =>
      (!verdict || data.rows[i][verdictAt] === verdict)
      && (!finding || data.rows[i][findingsAt].split(" ").includes(finding))
      && words[i].includes(text));
    return sortBy < 0 ? rows : rows.sort(compare);
  };

  const head = make("thead"), body = make("tbody"), heads = make("tr");
  data.head.forEach(([title, kind, sense], i) => {
    const th = make("th", undefined, kind === "number" ? "num" : "");
    const button = make("button", title + (sense === "p" ? " p" : ""));
    button.type = "button";
    button.addEventListener("click", () => {
      // first what is suspicious: small p-values, high scores
      if (sortBy === i) down = !down; else { sortBy = i; down = sense === "s"; }
      draw();
    });
    th.append(button);
    heads.append(th);
  });
  head.append(heads);
  table.append(head, body);

  const draw = () => {
    const rows = chosen();
    [...heads.children].forEach((th, i) => {
      if (i === sortBy) th.setAttribute("aria-sort", down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    });
    body.replaceChildren(...rows.slice(0, limit).map((i) => {
      const tr = make("tr");
      data.head.forEach(([, kind], c) => {
        const text = show(data.rows[i][c], kind);
        const td = make("td", text, kind === "number" ? "num" : kind === "verdict" ? "v-" + text : "");
        td.title = text;
        tr.append(td);
      });
      return tr;
    }));
    more.hidden = rows.length <= limit;
    get("shown").textContent = rows.length + " of " + data.rows.length;
    get("only").hidden = !finding;
    get("only").textContent = "only " + finding + " ×";
  };
  const restart = () => { limit = STEP; draw(); };
  get("filter").addEventListener("input", restart);
  get("only").addEventListener("click", () => { finding = ""; restart(); });
  get("verdict").addEventListener("change", restart);
  more.addEventListener("click", () => { limit += 200; draw(); });
  document.querySelectorAll(".show").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => {
      finding = button.dataset.finding;
      get("filter").value = "";
      restart();
      get("samples").scrollIntoView();
    });
  });
  get("controls").hidden = false;
  draw();
})();
