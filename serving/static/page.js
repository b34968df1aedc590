// Shows the list of the owner chosen at once, and draws the forecast whose numbers the table holds.
"use strict";

const form = document.querySelector(".choose");
if (form) {
  form.classList.add("live");
  form.querySelector("select").addEventListener("change", () => form.submit());
}

const plot = document.getElementById("plot");

function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function traces({ rows, unit }) {
  const months = rows.map((row) => row.period);
  const digits = unit === "revenue" ? ",.0f" : ",.1f";
  const bars = ["booked", "open", "new"].map((part) => ({
    type: "bar",
    name: part,
    x: months,
    y: rows.map((row) => row[part]),
    marker: { color: ink(`--${part}`) },
    hovertemplate: `%{y:${digits}} ${part}<extra></extra>`,
  }));
  const whiskers = {
    type: "scatter",
    mode: "markers",
    name: "p10 – p90",
    x: months,
    y: rows.map((row) => row.mean),
    marker: { color: ink("--ink"), size: 6 },
    error_y: {
      type: "data",
      symmetric: false,
      array: rows.map((row) => Math.max(row.p90 - row.mean, 0)),
      arrayminus: rows.map((row) => Math.max(row.mean - row.p10, 0)),
      color: ink("--ink"),
      thickness: 1.5,
      width: 6,
    },
    customdata: rows.map((row) => [row.p10, row.p90]),
    hovertemplate: `mean %{y:${digits}}<br>%{customdata[0]:${digits}} to %{customdata[1]:${digits}}<extra></extra>`,
  };
  return [...bars, whiskers];
}

function draw() {
  const layout = {
    barmode: "stack",
    bargap: 0.45,
    margin: { l: 48, r: 8, t: 8, b: 56 },
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink("--quiet") },
    xaxis: { type: "category", fixedrange: true },
    yaxis: { fixedrange: true, gridcolor: ink("--line"), zerolinecolor: ink("--line"), tickformat: "~s", rangemode: "tozero" },
    legend: { orientation: "h", x: 0, y: -0.14, yanchor: "top", traceorder: "normal" },
    hoverlabel: { bgcolor: ink("--card"), bordercolor: ink("--line"), font: { color: ink("--ink") } },
  };
  const config = { displaylogo: false, displayModeBar: false, responsive: true };
  Plotly.react(plot, traces(JSON.parse(plot.dataset.forecast)), layout, config);
}

if (plot && window.Plotly) {
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
