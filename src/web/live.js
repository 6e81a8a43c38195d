// Replaces the parts of the page that the server sends, once a second.
"use strict";
const part = (id) => document.getElementById(id);
const show = (parts) => {
  for (const [id, html] of Object.entries(parts)) {
    if (part(id)) part(id).innerHTML = html;
  }
};

const events = new EventSource("events");
events.addEventListener("second", (event) => show(JSON.parse(event.data)));
events.addEventListener("open", () => part("connection").replaceChildren());
events.addEventListener("error", () => {
  part("connection").textContent = "No connection to convoy: the numbers below are the last ones.";
});
events.addEventListener("end", (event) => {
  events.close();
  const { report } = JSON.parse(event.data);
  if (!report) {
    part("connection").textContent = "The run has ended without a report.";
    return;
  }
  // The process ends with the run, so the report is kept here.
  const page = new DOMParser().parseFromString(report, "text/html");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([report], { type: "text/html" }));
  link.download = "report.html";
  link.textContent = "Save this report";
  document.title = page.title;
  document.body.replaceChildren(...page.body.childNodes);
  document.body.prepend(link);
});

// The detail of a vehicle: click its cell, or type its number.
const look = async (vehicle) => {
  const answer = await fetch(`vehicle/${vehicle}`);
  const text = await answer.text();
  if (answer.ok) part("vehicle").innerHTML = text;
  else part("vehicle").textContent = text;
};
document.addEventListener("click", (event) => {
  const wall = event.target.closest("svg[data-columns]");
  if (!wall) return;
  const { columns, cell, vehicles, group } = wall.dataset;
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(wall.getScreenCTM().inverse());
  const [column, row] = [Math.floor(at.x / cell), Math.floor(at.y / cell)];
  const vehicle = (row * columns + column) * group;
  if (column >= 0 && column < columns && row >= 0 && vehicle < vehicles) look(vehicle);
});
document.addEventListener("change", (event) => {
  if (event.target.id === "number" && event.target.value !== "") look(event.target.value);
});
