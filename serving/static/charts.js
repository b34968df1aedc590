// Draws the charts whose data stand in the attribute data-chart; a table beside each holds the same numbers.
"use strict";

const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const faint = (name) => {
  const hex = ink(name);
  return `rgba(${[1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16)).join(",")},.22)`;
};

const makers = {
  area: (s, base) => ({ ...base, type: "scatter", mode: "lines", stackgroup: "one", line: { width: 0 }, fillcolor: ink(s.colour) }),
  bar: (s, base) => ({ ...base, type: "bar", base: s.base, marker: { color: Array.isArray(s.colours) ? s.colours.map(ink) : ink(s.colour), pattern: s.pattern ? { shape: s.pattern, size: 5, solidity: 0.25 } : undefined }, text: s.text, textposition: "outside", cliponaxis: false }),
  line: (s, base) => ({ ...base, type: "scatter", mode: s.dots ? "lines+markers" : "lines", connectgaps: false, line: { color: ink(s.colour), width: 2, dash: s.dash || "solid" }, marker: { size: 6 } }),
  steps: (s, base) => ({ ...base, type: "scatter", mode: "lines", line: { color: ink(s.colour), width: 2, dash: "dot", shape: "hvh" } }),
  dots: (s, base) => ({ ...base, type: "scatter", mode: s.text ? "markers+text" : "markers", text: s.text, textposition: "top center", marker: { color: ink(s.colour), size: s.size || 8, symbol: s.symbol || "circle", line: { width: s.symbol ? 3 : 0, color: ink(s.colour) } } }),
};

function whiskers(s, across) {
  const bounds = { type: "data", symmetric: false, thickness: 1.5, width: 4, color: ink(s.colour) };
  const middle = s.y;
  bounds.array = s.high.map((v, k) => (v === null || middle[k] === null ? null : v - middle[k]));
  bounds.arrayminus = s.low.map((v, k) => (v === null || middle[k] === null ? null : middle[k] - v));
  return across ? { error_x: bounds } : { error_y: bounds };
}

function traces(data) {
  return data.series.flatMap((s) => {
    const x = s.x || data.x;
    const base = { name: s.name, showlegend: s.legend !== false, x: data.horizontal ? s.y : x, y: data.horizontal ? x : s.y };
    base.orientation = data.horizontal ? "h" : "v";
    base.hovertemplate = `${data.horizontal ? "%{y}: %{x" : "%{y"}:${data.format || ",.0f"}}<extra>${s.name}</extra>`;
    if (s.hover) Object.assign(base, { customdata: s.hover, hovertemplate: "%{customdata}<extra></extra>" });
    if (s.kind === "band") {
      const edge = { ...base, type: "scatter", mode: "lines", line: { width: 0 }, hoverinfo: "skip", hovertemplate: undefined };
      return [
        { ...edge, y: s.low, showlegend: false },
        { ...edge, y: s.high, fill: "tonexty", fillcolor: faint(s.colour) },
      ];
    }
    const trace = makers[s.kind](s, base);
    return [s.low && s.kind !== "band" ? { ...trace, ...whiskers(s, data.horizontal) } : trace];
  });
}

// Long names are cut in the axis, not in the data: hovering tells them whole.
function ticks(data) {
  const room = innerWidth < 700 ? 24 : 36;
  if (!data.horizontal || !data.x.some((name) => [...String(name)].length > room)) return {};
  const cut = (name) => ([...String(name)].length > room ? `${[...String(name)].slice(0, room - 1).join("")}…` : name);
  return { tickmode: "array", tickvals: data.x, ticktext: data.x.map(cut) };
}

function axis(more) {
  return { fixedrange: true, gridcolor: ink("line"), zerolinecolor: ink("line"), linecolor: ink("line"), automargin: true, ...more };
}

function layout(data) {
  const category = data.linear ? {} : { type: "category" };
  const values = axis({ tickformat: data.format === ",.0f" || !data.format ? "~s" : data.format, rangemode: data.range ? "normal" : "tozero", range: data.range || (data.top ? [0, data.top] : undefined), title: data.ytitle ? { text: data.ytitle } : undefined });
  const names = axis({ ...category, ...ticks(data), showgrid: false, zeroline: false, range: data.xrange, tickformat: data.xformat, title: data.xtitle ? { text: data.xtitle, standoff: 8 } : undefined});
  if (data.horizontal) names.autorange = "reversed";
  const shapes = (data.diagonal ? [{ type: "line", x0: 0, y0: 0, x1: 1, y1: 1, line: { color: ink("quiet"), dash: "dot", width: 1 } }] : [])
    .concat((data.lines || []).map((at) => ({ type: "line", ...(data.horizontal ? { x0: at, x1: at, y0: 0, y1: 1, yref: "paper" } : { y0: at, y1: at, x0: 0, x1: 1, xref: "paper" }), line: { color: ink("quiet"), dash: "dot", width: 1 } })));
  return {
    barmode: data.stacked ? "relative" : "group",
    bargap: 0.4,
    margin: { l: 8, r: 12, t: 8, b: 8 },
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    hovermode: data.hover || "closest",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink("quiet") },
    [data.horizontal ? "yaxis" : "xaxis"]: names,
    [data.horizontal ? "xaxis" : "yaxis"]: values,
    shapes,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", traceorder: "normal" },
    showlegend: data.series.length > 1,
    hoverlabel: { bgcolor: ink("card"), bordercolor: ink("line"), font: { color: ink("ink") } },
  };
}

function draw() {
  for (const node of document.querySelectorAll("[data-chart]")) {
    const data = JSON.parse(node.dataset.chart);
    Plotly.react(node, traces(data), layout(data), { displaylogo: false, displayModeBar: false, responsive: true });
    node.classList.add("drawn");
  }
}

if (window.Plotly) {
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
