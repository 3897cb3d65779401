"use strict";
// Everything works without this script but the crosshair, zoom, enlarged pictures, copying and the theme's switch.
(() => {
  const $ = (id) => document.getElementById(id);
  const all = (what, within = document) => [...within.querySelectorAll(what)];
  const data = JSON.parse($("data").textContent);
  const words = data.words || {};
  const say = (key, values = {}) => words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const make = (tag, text = "", look = "") => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (look) made.className = look;
    return made;
  };
  const comma = (n) => Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, ",");

  // --- theme: what the system says, until the reader says otherwise
  const root = document.documentElement;
  const remember = (key, value) => { try { return value === undefined ? localStorage.getItem(key) : localStorage.setItem(key, value); } catch { return null; } };
  const kept = remember("hndoctor-theme");
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  $("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    remember("hndoctor-theme", root.dataset.theme);
  });

  // --- copy
  const copyByHand = (text) => {
    const area = make("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  for (const button of all("[data-copy]")) {
    button.addEventListener("click", async () => {
      const text = $(button.dataset.copy).textContent;
      try { await navigator.clipboard.writeText(text); } catch { copyByHand(text); button.focus(); }
      button.textContent = words["advice.copied"];
      setTimeout(() => { button.textContent = words["advice.copy"]; }, 1600);
    });
  }

  // --- print shows what is folded
  addEventListener("beforeprint", () => { for (const fold of all("details")) { fold.dataset.was = fold.open; fold.open = true; } });
  addEventListener("afterprint", () => { for (const fold of all("details")) fold.open = fold.dataset.was === "true"; });

  // --- a band says its word where it has room, else its letter; in the middle of what is seen of it
  const nameBands = () => {
    for (const band of all(".band")) {
      const box = band.querySelector("rect").getBoundingClientRect(), text = band.querySelector("text"), whole = band.parentElement.getBoundingClientRect();
      const left = Math.max(box.left, whole.left), right = Math.min(box.right, whole.right), room = right - left;
      text.textContent = band.dataset.word;
      if (text.getComputedTextLength() + 8 > room) text.textContent = room > 13 ? band.dataset.letter : "";
      text.setAttribute("x", (left + right) / 2 - box.left);
    }
  };
  if (!$("over")) {
    addEventListener("resize", nameBands);
    nameBands();
  }

  // --- the course: crosshair and zoom
  const frames = all(".frame");
  const steppers = frames.filter((f) => f.dataset.step !== "");
  let goTo = () => {};
  if (data.axis && $("over")) {
    const over = $("over"), hair = $("hair"), zone = $("zone"), lanes = $("lanes");
    const [first, last] = data.axis;
    let low = first, high = last, now = null;
    const nearest = (list, step) => {
      let a = 0, b = list.length - 1;
      while (b - a > 1) { const m = (a + b) >> 1; if (list[m] < step) a = m; else b = m; }
      return Math.abs(list[a] - step) <= Math.abs(list[b] - step) ? a : b;
    };
    const sorted = (list) => [...new Set(list)].sort((a, b) => a - b);
    const coarse = sorted([...data.stops.map((s) => s[0]), ...steppers.map((f) => +f.dataset.step)]);
    const fine = sorted([...coarse, ...Object.values(data.lanes).flat().flatMap((s) => s[0])]);
    const share = (step) => (step - low) / (high - low);
    const stepAt = (event) => { const box = over.getBoundingClientRect(); return low + Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * (high - low); };

    const drawTicks = () => {
      const raw = (high - low) / (over.clientWidth < 420 ? 3.5 : 6), power = 10 ** Math.floor(Math.log10(raw));
      const pace = Math.max(1, [1, 2, 5, 10].map((m) => m * power).find((p) => p >= raw * 0.999));
      const grid = document.querySelector(".verticals svg"), axis = $("ticks"), ns = "http://www.w3.org/2000/svg";
      for (const old of [...all(".tick", grid), ...all("text", axis)]) old.remove();
      for (let s = Math.ceil(low / pace - 1e-9) * pace; s <= high; s += pace) {
        const line = document.createElementNS(ns, "line"), label = document.createElementNS(ns, "text"), x = `${100 * share(s)}%`;
        line.setAttribute("class", "tick");
        for (const [k, v] of [["x1", x], ["x2", x], ["y1", "0"], ["y2", "100%"]]) line.setAttribute(k, v);
        for (const [k, v] of [["x", x], ["y", "15"], ["text-anchor", share(s) < 0.04 ? "start" : share(s) > 0.96 ? "end" : "middle"]]) label.setAttribute(k, v);
        label.textContent = comma(s);
        grid.prepend(line);
        axis.append(label);
      }
    };
    const name = () => {
      const whole = over.getBoundingClientRect();
      nameBands();
      const flags = all(".flag", lanes), marks = flags.map((flag) => flag.querySelector("circle").getBoundingClientRect().left);
      for (const flag of flags) {
        const text = flag.querySelector("text"), dot = flag.querySelector("circle").getBoundingClientRect(), length = text.getComputedTextLength() + 12;
        const room = whole.right - dot.right, free = Math.min(whole.right, ...marks.filter((left) => left > dot.right)) - dot.right;
        const turned = free < length && dot.left - whole.left > length;  // no other mark's line runs through its words
        text.setAttribute("text-anchor", turned ? "end" : "start");
        text.setAttribute("x", turned ? -8 : Math.min(8, 8 + room - length));  // no room on either side: over the mark
      }
      for (const ghost of all(".ghostname", lanes)) if (parseFloat(ghost.getAttribute("x")) < 0) ghost.setAttribute("x", "0");
    };
    const draw = () => {
      const width = (high - low) / (last - first), from = (low - first) / (last - first);
      for (const svg of all(".inner", lanes)) { const box = svg.viewBox.baseVal; svg.setAttribute("viewBox", `${from * 1000} 0 ${width * 1000} ${box.height}`); }
      for (const item of all("[data-x]", lanes)) {
        const x = `${100 * (item.dataset.x - from) / width}%`;
        if (item.tagName === "line") { item.setAttribute("x1", x); item.setAttribute("x2", x); } else item.setAttribute("x", x);
        if (item.dataset.w !== undefined) item.setAttribute("width", `${100 * item.dataset.w / width}%`);
        if (item.classList.contains("flag")) item.style.visibility = item.dataset.x < from - 1e-6 || item.dataset.x > from + width + 1e-6 ? "hidden" : "";
      }
      drawTicks();
      name();
      lay();
      if (now !== null) place();
    };
    // previews at their steps on the axis: as many as have room, the telling ones first
    const thumbs = $("thumbs"), shots = [];
    const wanted = () => {
      const at = (f) => first + f.dataset.x * (last - first), marks = all(".flag", lanes).map(at);
      const order = steppers.filter((f) => f.querySelector("img")), picked = [order[0], order[order.length - 1]];
      for (const mark of marks) picked.push(order.reduce((a, b) => Math.abs(b.dataset.step - mark) < Math.abs(a.dataset.step - mark) ? b : a, order[0]));
      for (let gap = 1 << 10; gap >= 1; gap >>= 1) for (let i = 0; i < order.length; i += gap) picked.push(order[i]);
      return order.length ? [...new Set(picked)] : [];
    };
    const telling = wanted();
    const lay = () => {
      if (!thumbs) return;
      const width = thumbs.clientWidth, size = thumbs.clientHeight - 10, taken = [];
      let used = 0;
      for (const frame of telling) {
        const middle = width * share(+frame.dataset.step);
        if (middle < 0 || middle > width) continue;
        const left = Math.min(Math.max(0, middle - size / 2), width - size);
        if (taken.some((other) => Math.abs(other - left) < size + 3)) continue;
        taken.push(left);
        let picture = shots[used++];
        if (!picture) { picture = make("img"); picture.alt = ""; shots.push(picture); thumbs.append(picture); }
        picture.src = frame.querySelector("img").src;
        picture.className = frame.classList.contains("bad") ? "bad" : "";
        picture.style.left = `${left}px`;
        picture.hidden = false;
      }
      for (const picture of shots.slice(used)) picture.hidden = true;
    };
    const zoom = (a, b) => {
      const least = Math.max(2, (last - first) / 400);
      if (b - a < least) { const middle = (a + b) / 2; a = middle - least / 2; b = middle + least / 2; }
      const width = Math.min(b - a, last - first);
      low = Math.min(Math.max(first, a), last - width);
      high = low + width;
      draw();
    };
    const scale = (factor) => { const middle = now !== null && now >= low && now <= high ? now : (low + high) / 2; zoom(middle - (middle - low) * factor, middle + (high - middle) * factor); };
    const reset = () => { low = first; high = last; draw(); };
    const place = () => { const s = share(now); hair.hidden = s < 0 || s > 1; hair.style.left = `${100 * s}%`; };

    // a line has no value before its first point or after its last, give or take the distance to its neighbour
    const read = (steps, texts) => {
      const n = steps.length;
      if (!n) return "–";
      const before = n > 1 ? (steps[1] - steps[0]) / 2 : (last - first) / 50, after = n > 1 ? (steps[n - 1] - steps[n - 2]) / 2 : before;
      return now < steps[0] - before - 1 || now > steps[n - 1] + after + 1 ? "–" : texts[nearest(steps, now)];
    };
    const readLanes = () => {
      for (const lane of all("[data-lane]", lanes)) {
        const series = data.lanes[lane.dataset.lane];
        if (!series) continue;
        all(".key b", lane).forEach((out, i) => { out.textContent = read(...series[i]); if (!$("card")) out.parentElement.hidden = out.textContent === "–"; });
      }
    };
    const showCard = (stop) => {
      $("card-step").textContent = comma(now);
      if (!$("card")) return;
      $("card").hidden = false;
      $("card-state").textContent = "";
      $("card-shares").textContent = "";
      if (stop) {
        $("card-state").append(make("span", stop[2], `badge b-${stop[1]}`));
        for (const [state, word, text, value] of stop[3]) {
          const row = make("p", "", "sharerow"), ns = "http://www.w3.org/2000/svg";
          const svg = document.createElementNS(ns, "svg"), bar = document.createElementNS(ns, "rect");
          svg.setAttribute("width", "100%"); svg.setAttribute("height", "8"); svg.setAttribute("aria-hidden", "true");
          bar.setAttribute("width", `${value}%`); bar.setAttribute("height", "8"); bar.setAttribute("class", `p-${state}`);
          svg.append(bar);
          row.append(make("span", word), svg, make("b", text));
          $("card-shares").append(row);
        }
      }
      let near = null;
      for (const f of steppers) if (f.querySelector("img") && (!near || Math.abs(f.dataset.step - now) < Math.abs(near.dataset.step - now))) near = f;
      for (const f of frames) f.classList.toggle("now", f === near);
      const film = document.querySelector(".film");
      if (near && film) film.scrollLeft = near.offsetLeft - (film.clientWidth - near.clientWidth) / 2;
      const far = !near || Math.abs(near.dataset.step - now) > (last - first) / 12;
      $("card-shot").hidden = far;
      if (!far) { $("card-picture").src = near.querySelector("img").src; $("card-picture").alt = say("course.preview", { step: comma(near.dataset.step) }); }
      $("card-note").textContent = far ? words["course.no_preview"] : $("card-picture").alt;
    };
    const move = (step, snap = fine) => {
      now = snap[nearest(snap, step)];
      const stops = data.stops.map((s) => s[0]), stop = stops.length ? data.stops[nearest(stops, now)] : null;
      place();
      readLanes();
      showCard(stop && stop[1] ? stop : null);
      const told = all(".lane .key", lanes).map((k) => k.textContent.trim().replace(/\s+/g, " ")).slice(0, 4).join(", ");
      over.setAttribute("aria-valuenow", now);
      over.setAttribute("aria-valuetext", `${comma(now)}: ${stop && stop[1] ? `${stop[2]}, ${stop[3].filter((p) => p[3] >= 1).map((p) => `${p[1]} ${p[2]}`).join(", ")}. ` : ""}${told}`);
    };
    goTo = (step) => { if (step < low || step > high) reset(); move(step, coarse); $("course").scrollIntoView(); over.focus({ preventScroll: true }); };

    let pressed = null;
    over.addEventListener("pointerdown", (event) => { if (event.button === 0) { pressed = { x: event.clientX, step: stepAt(event), touch: event.pointerType !== "mouse" }; over.setPointerCapture(event.pointerId); move(pressed.step); } });
    over.addEventListener("pointermove", (event) => {
      if (!pressed || pressed.touch) { move(stepAt(event)); return; }
      if (Math.abs(event.clientX - pressed.x) < 6) return;
      const [a, b] = [pressed.step, stepAt(event)].sort((p, q) => p - q);
      zone.hidden = false;
      zone.style.left = `${100 * share(a)}%`;
      zone.style.width = `${100 * (share(b) - share(a))}%`;
    });
    const release = (event) => {
      if (pressed && !pressed.touch && event.type === "pointerup" && Math.abs(event.clientX - pressed.x) >= 6) zoom(...[pressed.step, stepAt(event)].sort((a, b) => a - b));
      pressed = null;
      zone.hidden = true;
    };
    over.addEventListener("pointerup", release);
    over.addEventListener("pointercancel", release);
    over.addEventListener("dblclick", reset);
    over.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const list = event.shiftKey ? fine : coarse, at = now === null ? list.length - 1 : nearest(list, now);
      const hop = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 5, PageDown: -5 }[event.key];
      if (hop !== undefined) move(list[Math.min(list.length - 1, Math.max(0, at + hop))], list);
      else if (event.key === "Home") move(list[0], list);
      else if (event.key === "End") move(list[list.length - 1], list);
      else if (event.key === "+" || event.key === "=") scale(0.5);
      else if (event.key === "-") scale(2);
      else if (event.key === "0") reset();
      else return;
      if (now !== null && (now < low || now > high)) zoom(now - (high - low) / 2, now + (high - low) / 2);
      event.preventDefault();
    });
    addEventListener("beforeprint", reset);
    for (const button of all("[data-zoom]")) button.addEventListener("click", () => ({ in: () => scale(0.5), out: () => scale(2), all: reset })[button.dataset.zoom]());
    // labels of a scale that would lie on each other (large letters on a large screen) give way to those below
    const declutter = () => {
      for (const scale of all("svg.gutter", lanes)) {
        let free = Infinity;
        for (const text of all("text", scale).map((t) => [t.getBoundingClientRect(), t]).sort((a, b) => b[0].top - a[0].top)) {
          const fits = text[0].bottom <= free + 3;
          text[1].style.visibility = fits ? "" : "hidden";
          if (fits) free = text[0].top;
        }
      }
    };
    addEventListener("resize", () => { drawTicks(); name(); lay(); declutter(); });
    declutter();
    drawTicks();
    name();
    lay();
    const marked = document.querySelector(".flag.f-broken") || document.querySelector(".flag.f-overtrained");
    if (coarse.length) move(marked ? first + marked.dataset.x * (last - first) : coarse[data.stops.length && !data.stops[0][1] ? coarse.length >> 1 : coarse.length - 1], coarse);
  }
  for (const button of all("[data-goto]")) button.addEventListener("click", () => goTo(+button.dataset.goto));

  // --- previews: enlarge, turn, side by side
  const dialog = $("dialog");
  if (dialog) {
    const shown = frames.filter((f) => f.querySelector("img"));
    const beside = $("beside");
    let at = 0;
    const fill = (side, frame) => {
      side.textContent = "";
      if (!frame) return;
      const picture = make("img"), told = frame.querySelector(".told").cloneNode(true), head = make("h4", `${say("strip.step", { step: frame.querySelector(".label b").textContent })} · ${frame.querySelector(".score").textContent}`);
      picture.src = frame.querySelector("img").src;
      picture.alt = head.textContent;
      told.hidden = false;
      side.append(picture, head, ...all(".why, .odd", frame).map((p) => p.cloneNode(true)), told);
    };
    const show = () => {
      fill($("side-a"), shown[at]);
      fill($("side-b"), beside.value === "" ? null : shown[+beside.value]);
      document.querySelector(".pair").classList.toggle("alone", beside.value === "");
      $("unlike").hidden = beside.value === "" || shown[+beside.value].dataset.series === shown[at].dataset.series;
    };
    const turn = (by) => { at = (at + by + shown.length) % shown.length; show(); };
    const option = (value, text) => { const made = make("option", text); made.value = value; beside.append(made); };
    option("", words["dialog.nothing"]);
    shown.forEach((f, i) => option(i, say("strip.step", { step: f.querySelector(".label b").textContent })));
    const advised = document.querySelector(".flag.f-go-back");
    const best = advised && data.axis ? data.axis[0] + advised.dataset.x * (data.axis[1] - data.axis[0]) : null;
    shown.forEach((frame, i) => frame.querySelector("button").addEventListener("click", () => {
      at = i;
      const there = (f) => f.dataset.step !== "" && Math.abs(f.dataset.step - best) < 1, alike = (f) => there(f) && f.dataset.series === frame.dataset.series;
      const match = best === null ? -1 : shown.some(alike) ? shown.findIndex(alike) : shown.findIndex(there);
      beside.value = match >= 0 && match !== i ? match : "";
      show();
      dialog.showModal();
    }));
    if ($("card-shot")) $("card-shot").addEventListener("click", () => { const near = document.querySelector(".frame.now button"); if (near) near.click(); });
    beside.addEventListener("change", show);
    for (const button of all("[data-turn]", dialog)) button.addEventListener("click", () => turn(+button.dataset.turn));
    for (const button of all("[data-close]", dialog)) button.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("keydown", (event) => {
      if (event.target === beside) return;
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by) { turn(by); event.preventDefault(); }
    });
  }

  // --- the heat map
  const heat = $("heat");
  if (heat && data.heat) {
    const { columns, levels, numbers } = data.heat, rows = all(".cells", heat), cursor = $("cursor"), out = $("cell");
    const names = ["name", "shape", "dtype", "rms", "max", "frobenius", "spectral", "rank", "effective", "zeros", "dead", "nan", "inf", "gain", "update", "best", "units"];
    let row = 0, column = columns.length - 1;
    const tell = () => {
      const box = rows[row].getBoundingClientRect(), whole = heat.getBoundingClientRect(), width = box.width / columns.length;
      cursor.hidden = false;
      cursor.style.left = `${box.left - whole.left - heat.clientLeft + column * width - 1}px`;
      cursor.style.top = `${box.top - whole.top - heat.clientTop - 1}px`;
      cursor.style.width = `${Math.max(4, width + 2)}px`;
      cursor.style.height = `${box.height + 2}px`;
      out.textContent = "";
      const told = numbers[row][column];
      if (!told) { out.append(make("p", words["heat.missing"], "hint")); return; }
      out.append(make("h4", say("heat.cell", { name: told[0], step: columns[column][1] })));
      const list = make("dl");
      told.forEach((text, i) => { if (i && text !== "–") { const pair = make("div"); pair.append(make("dt", words[`heat.n_${names[i]}`]), make("dd", text)); list.append(pair); } });
      out.append(list);
    };
    const paint = (measure) => {
      heat.classList.toggle("m-growth", measure === "growth");
      heat.classList.toggle("m-size", measure !== "growth");
      $("legend").classList.toggle("m-size", measure !== "growth");
      document.querySelector("#legend .low").textContent = measure === "growth" ? $("legend").dataset.low : words["heat.low"];
      document.querySelector("#legend .high").textContent = measure === "growth" ? $("legend").dataset.high : words["heat.high"];
      rows.forEach((svg, i) => {
        svg.textContent = "";
        const line = levels[i][measure], width = 100 / line.length;
        for (let a = 0, b; a < line.length; a = b) {
          for (b = a; b < line.length && line[b] === line[a];) b++;
          const cell = document.createElementNS("http://www.w3.org/2000/svg", "rect");
          for (const [k, v] of [["class", `q${line[a] === "-" ? "x" : line[a]}`], ["x", `${a * width}%`], ["width", `${(b - a) * width}%`], ["height", "14"]]) cell.setAttribute(k, v);
          svg.append(cell);
        }
      });
    };
    heat.addEventListener("click", (event) => {
      const hit = rows.findIndex((svg) => { const box = svg.getBoundingClientRect(); return event.clientY >= box.top && event.clientY < box.bottom; });
      if (hit < 0) return;
      const box = rows[hit].getBoundingClientRect();
      row = hit;
      column = Math.min(columns.length - 1, Math.max(0, Math.floor((event.clientX - box.left) / box.width * columns.length)));
      tell();
    });
    heat.addEventListener("keydown", (event) => {
      const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!by) return;
      row = Math.min(rows.length - 1, Math.max(0, row + by[0]));
      column = Math.min(columns.length - 1, Math.max(0, column + by[1]));
      tell();
      event.preventDefault();
    });
    $("measure").addEventListener("change", (event) => paint(event.target.value));
    addEventListener("resize", () => { if (!cursor.hidden) tell(); });
  }

  // --- paper has another width than the screen: names stand in the middle of their whole bands
  addEventListener("beforeprint", () => { for (const text of all(".band text")) text.setAttribute("x", "50%"); });
  addEventListener("afterprint", nameBands);
})();
