"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);
  const pictureClass = (element) => [...element.classList].find((name) => /^p\d+$/.test(name));

  // Charts: a line at the pointer, and what the round's numbers are.
  for (const chart of all("svg[data-readings]")) {
    const readings = JSON.parse(chart.dataset.readings).map(([x, text]) => [Number(x), text]);
    const cursor = one(".cursor", chart);
    const output = one("output", chart.parentElement);
    const show = (event) => {
      const box = chart.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * chart.viewBox.baseVal.width;
      const nearest = readings.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a));
      cursor.setAttribute("x1", nearest[0]);
      cursor.setAttribute("x2", nearest[0]);
      output.textContent = nearest[1];
    };
    const hide = () => {
      cursor.setAttribute("x1", -9);
      cursor.setAttribute("x2", -9);
      output.textContent = "\u00a0";
    };
    if (readings.length) {
      chart.addEventListener("pointermove", show);
      chart.addEventListener("pointerdown", show);
      chart.addEventListener("pointerleave", hide);
    }
  }

  const strips = all(".strip").map((strip) => ({
    element: strip,
    arm: strip.parentElement.dataset.arm,
    frames: all(".frame[data-round]", strip),
  }));

  // The wall: every trajectory of an arm at one round, and a slider through the rounds.
  const makeWall = (root) => {
    const slider = one("input", root);
    const tiles = one(".wall-tiles", root);
    const label = one("output", root);
    const play = one("button", root);
    const every = strips.flatMap((strip) => strip.frames.map((frame) => Number(frame.dataset.round)));
    const rounds = [...new Set(every)].sort((a, b) => a - b);
    let rows = [];
    let timer = 0;
    const draw = () => {
      const round = rounds[Number(slider.value)];
      label.textContent = `round ${round}`;
      for (const { tile, known, key } of rows) {
        const name = known.get(round);
        tile.className = name ? `pic ${name}` : "pic none";
        tile.dataset.goto = `${key}-${round}`;
      }
    };
    const stop = () => {
      clearInterval(timer);
      timer = 0;
      play.textContent = "▶";
    };
    const show = (arm) => {
      const shown = strips.filter((strip) => arm === undefined || strip.arm === arm);
      rows = shown.map((strip) => {
        const tile = document.createElement("span");
        const pairs = strip.frames.map((f) => [Number(f.dataset.round), pictureClass(one(".pic", f))]);
        return { tile, known: new Map(pairs), key: strip.element.id.slice(1) };
      });
      tiles.replaceChildren(...rows.map((row) => row.tile));
      tiles.style.setProperty("--tile", rows.length > 120 ? "2.6rem" : "4rem");
      // Full rows where the number of tiles allows it.
      const columns = [16, 15, 14, 13, 12, 11, 10].find((n) => rows.length % n === 0);
      if (columns) tiles.style.setProperty("--columns", columns);
      else tiles.style.removeProperty("--columns");
      draw();
    };
    play.addEventListener("click", () => {
      if (timer) return stop();
      if (slider.value === slider.max) slider.value = "0";
      play.textContent = "❚❚";
      draw();
      timer = setInterval(() => {
        if (slider.value === slider.max) return stop();
        slider.value = String(Number(slider.value) + 1);
        draw();
      }, 600);
    });
    slider.addEventListener("input", () => {
      stop();
      draw();
    });
    slider.max = String(rounds.length - 1);
    root.hidden = rounds.length < 2;
    if (rounds.length) show();
    return { show };
  };
  const wall = one("#wall") && makeWall(one("#wall"));

  // Tabs: without this script every panel is open.
  for (const tabs of all("[data-tabs]")) {
    const panels = all(`.${tabs.dataset.tabs}`);
    const buttons = all("button", tabs);
    const choose = (index) => {
      panels.forEach((panel, i) => (panel.hidden = i !== index));
      buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === index)));
      if (wall) wall.show(buttons[index].textContent);
    };
    buttons.forEach((button, index) => button.addEventListener("click", () => choose(index)));
    tabs.hidden = false;
    choose(0);
  }

  // Film strips: find, and a shorter page until more is asked for.
  const groups = all(".group");
  const find = one(".find");
  const more = one(".more");
  const FEW = 4;
  let open = groups.length <= FEW + 2;
  const texts = groups.map((group) => {
    const parts = all("h3, .caption", group).map((part) => part.textContent);
    return parts.join(" ").toLowerCase();
  });
  const filter = () => {
    const words = one("input", find).value.toLowerCase().split(/\s+/).filter(Boolean);
    const select = one("select", find);
    const arm = select ? select.value : "";
    let found = 0;
    groups.forEach((group, index) => {
      const fits = words.every((word) => texts[index].includes(word));
      const match = fits && (!arm || group.dataset.arm === arm);
      found += match;
      group.hidden = !match || (!open && !words.length && found > FEW);
    });
    more.hidden = open || words.length > 0 || found <= FEW;
    one("output", find).textContent = words.length ? `${found} of ${groups.length}` : "";
  };
  if (find) {
    find.hidden = false;
    find.addEventListener("submit", (event) => event.preventDefault());
    find.addEventListener("input", filter);
    one("button", more).addEventListener("click", () => {
      open = true;
      filter();
    });
    filter();
    addEventListener("beforeprint", () => {
      open = true;
      filter();
    });
  }
  // Paper shows all; what was closed is closed again.
  addEventListener("beforeprint", () => {
    const closed = all("details:not([open])");
    closed.forEach((part) => (part.open = true));
    addEventListener("afterprint", () => closed.forEach((part) => (part.open = false)), { once: true });
  });

  // Zoom: everything in it is copied from the strip as text or as nodes, never parsed.
  const zoom = one("#zoom");
  const slot = (name) => one(`[data-zoom=${name}]`, zoom);
  let at = [0, 0];
  const show = (row, column) => {
    if (!strips.length) return;
    row = Math.min(Math.max(row, 0), strips.length - 1);
    const { element, frames } = strips[row];
    if (!frames.length) return;
    column = Math.min(Math.max(column, 0), frames.length - 1);
    at = [row, column];
    const frame = frames[column];
    const caption = one(".caption", frame)?.textContent ?? "";
    const name = pictureClass(one(".pic", frame));
    slot("picture").className = name ? `pic ${name}` : "pic none";
    slot("picture").setAttribute("aria-label", caption);
    slot("round").textContent = `Round ${frame.dataset.round}`;
    slot("where").textContent = element.dataset.where;
    slot("caption").textContent = caption;
    const heading = one("h3", element.parentElement).cloneNode(true);
    all("small", heading).forEach((small) => small.remove());
    slot("start").replaceChildren(...heading.childNodes);
    slot("facts").replaceChildren(...one(".facts", frame).cloneNode(true).childNodes);
    if (!zoom.open) zoom.showModal();
  };
  // Maps: the picture and the way of the state under the pointer.
  const hover = one("#hover");
  for (const map of all("svg.map")) {
    const trail = one(".trail", map);
    const ways = new Map();
    for (const dot of all("circle", map)) {
      const [key, round] = dot.dataset.goto.split("-").map(Number);
      const [x, y] = [dot.getAttribute("cx"), dot.getAttribute("cy")];
      if (!ways.has(key)) ways.set(key, []);
      ways.get(key).push([round, `${x},${y}`]);
    }
    const leave = () => {
      hover.hidden = true;
      trail.setAttribute("points", "");
    };
    map.addEventListener("pointerover", (event) => {
      const goto = event.target.dataset.goto;
      const frame = goto && one(`#f${goto}`);
      if (!frame) return leave();
      const name = pictureClass(one(".pic", frame) ?? hover);
      one(".pic", hover).className = name ? `pic ${name}` : "pic none";
      const where = frame.closest(".strip").dataset.where;
      const caption = one(".caption", frame)?.textContent ?? "";
      one("p", hover).textContent = `Round ${frame.dataset.round}${where && `, ${where}`}: ${caption}`;
      const way = [...ways.get(Number(goto.split("-")[0]))].sort((a, b) => a[0] - b[0]);
      trail.setAttribute("points", way.map(([, point]) => point).join(" "));
      hover.hidden = false;
      const { innerWidth: width, innerHeight: height } = window;
      const [x, y] = [event.clientX, event.clientY];
      hover.style.left = `${x + 14 + hover.offsetWidth < width ? x + 14 : Math.max(0, x - 14 - hover.offsetWidth)}px`;
      hover.style.top = `${Math.max(0, Math.min(y + 14, height - hover.offsetHeight - 4))}px`;
    });
    map.addEventListener("pointerleave", leave);
  }

  const moves = { left: [0, -1], right: [0, 1], up: [-1, 0], down: [1, 0] };
  const move = (direction) => show(at[0] + moves[direction][0], at[1] + moves[direction][1]);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.pic, [data-goto]");
    if (!button) return;
    const frame = button.dataset.goto ? one(`#f${button.dataset.goto}`) : button.closest(".frame");
    if (!frame) return;
    const row = strips.findIndex((strip) => strip.frames.includes(frame));
    show(row, strips[row].frames.indexOf(frame));
  });
  zoom.addEventListener("click", (event) => {
    const act = event.target.dataset.act;
    if (event.target === zoom || act === "close") zoom.close();
    else if (act in moves) move(act);
  });
  zoom.addEventListener("keydown", (event) => {
    const direction = event.key.replace("Arrow", "").toLowerCase();
    if (!(direction in moves)) return;
    event.preventDefault();
    move(direction);
  });
})();
