"use strict";

function uri(base64) {
  return "data:image/webp;base64," + base64;
}

function options(select, labels, chosen) {
  select.replaceChildren(...labels.map((label, i) => new Option(label, i)));
  select.selectedIndex = chosen;
}

function viewer(root, pictures) {
  const [picture, left, right] = ["picture", "left", "right"].map((name) => root.querySelector("select." + name));
  const slider = root.querySelector("img-comparison-slider");
  const [first, second] = slider.querySelectorAll("img");
  const small = root.querySelector(".small img");
  let now = null;
  let zoom = 1;

  function scale() {
    for (const image of [first, second]) {
      image.style.width = image.naturalWidth ? image.naturalWidth * zoom + "px" : "";
      image.style.height = "auto";
    }
  }

  function note(place, crop, side) {
    const name = document.createElement("b");
    name.textContent = side + crop.label;
    const figures = document.createElement("i");
    figures.textContent = crop.note;
    root.querySelector(place).replaceChildren(name, figures);
  }

  function show() {
    const [a, b] = [now.crops[left.value], now.crops[right.value]];
    first.src = uri(a.data);
    second.src = uri(b.data);
    first.alt = now.name + ", " + a.label;
    second.alt = now.name + ", " + b.label;
    note(".left-note", a, "◂ ");
    note(".right-note", b, "▸ ");
    tell();
  }

  function tell() {
    const value = Math.round(slider.value);
    slider.setAttribute("aria-valuenow", value);
    slider.setAttribute("aria-valuetext", value + " % of " + now.crops[left.value].label);
  }

  function change() {
    const labels = [left, right].map((select) => now && now.crops[select.value].label);
    now = pictures[picture.value];
    const names = now.crops.map((crop) => crop.label);
    // The same ways stay side by side from picture to picture.
    const at = (label, otherwise) => Math.max(0, names.indexOf(names.includes(label) ? label : otherwise));
    options(left, names, at(labels[0], "restored"));
    options(right, names, at(labels[1], "Lanczos"));
    small.src = uri(now.small.data);
    small.alt = now.name + ", the small picture";
    root.querySelector(".small-note").textContent = now.small.note;
    root.querySelector(".place").textContent = now.place;
    for (const rate of root.querySelectorAll(".rate")) {
      rate.hidden = Number(rate.dataset.picture) !== now.number;
    }
    show();
  }

  options(picture, pictures.map((each) => each.name), 0);
  picture.addEventListener("change", change);
  left.addEventListener("change", show);
  right.addEventListener("change", show);
  first.addEventListener("load", scale);
  second.addEventListener("load", scale);
  slider.addEventListener("slide", tell);
  slider.addEventListener("keydown", (event) => {
    const to = { Home: 0, End: 100, PageDown: slider.value - 10, PageUp: slider.value + 10 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      slider.value = Math.min(100, Math.max(0, to));
      tell();
    }
  });
  for (const radio of root.querySelectorAll(".zoom input")) {
    radio.addEventListener("change", () => {
      zoom = Number(radio.value);
      scale();
    });
  }
  change();
}

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending" || (column === 0 && !head.hasAttribute("aria-sort"));
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.sort;
      const numbers = table.tBodies[0].rows[0].cells[column].classList.contains("n");
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = numbers ? Number(x) - Number(y) : x.localeCompare(y);
        return up ? order : -order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}

document.querySelectorAll("table.sortable").forEach(sortable);
const views = [...document.querySelectorAll("script.views")].map((each) => JSON.parse(each.textContent));
document.querySelectorAll(".viewer").forEach((root) => viewer(root, views[root.dataset.section].pictures));
