// Small comforts: filters that act at once, times in the reader's zone, keys for the list.
"use strict";

for (const form of document.querySelectorAll("form.filters, form.live-form")) {
  form.classList.add("live");
  form.addEventListener("change", (event) => {
    if (event.target.matches("select, input[type=radio]")) form.requestSubmit();
  });
  form.addEventListener("submit", () => {
    for (const field of form.querySelectorAll("select, input")) if (!field.value) field.disabled = true;
    document.body.classList.add("busy");
  });
}
addEventListener("pageshow", () => {
  document.body.classList.remove("busy");
  for (const field of document.querySelectorAll("form.filters [disabled]")) field.disabled = false;
});

const zone = Intl.DateTimeFormat(document.documentElement.lang === "th" ? "th-TH-u-ca-gregory" : "en-GB", {
  day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "short",
});
for (const time of document.querySelectorAll("time[data-instant]")) {
  time.title = time.textContent;
  time.textContent = zone.format(new Date(time.dateTime));
}

const here = document.querySelector(".side nav [aria-current]");
if (here) here.closest("nav").scrollLeft = here.offsetLeft - 16;

const links = () => [...document.querySelectorAll(".deal h2 a")];
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
  const all = links();
  const at = all.indexOf(document.activeElement);
  if (event.key === "/") document.querySelector("input[type=search]")?.focus();
  else if (event.key === "j") all[Math.min(at + 1, all.length - 1)]?.focus();
  else if (event.key === "k") all[Math.max(at - 1, 0)]?.focus();
  else return;
  event.preventDefault();
});
