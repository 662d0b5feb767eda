// Charts by Observable Plot. Colours are CSS variables, so that a theme changes them without drawing anew.
// A panel is drawn when it comes near the window: a page of a hundred panels opens as fast as one of two.
(() => {
  const HUES = 10;
  const NEAR = "600px 0px";
  const SYMBOLS = ["circle", "square", "triangle", "diamond", "star", "wye", "cross", "diamond2", "square2", "triangle2"];
  const symbol = (series) => SYMBOLS[series.hue % SYMBOLS.length];
  const symbolPath = (name, size) => d3.symbol(d3[`symbol${name[0].toUpperCase()}${name.slice(1)}`], size)();
  const colour = (series) => `var(--hue-${series.hue % HUES})`;
  const number = (value) => (value === null ? "" : String(Number(value.toPrecision(4))).replace("-", "−"));

  // Zero is in the frame unless it would press all values into less than half of it.
  const withZero = ([low, high]) => (Math.min(Math.abs(low), Math.abs(high)) < high - low ? d3.extent([0, low, high]) : [low, high]);

  function points(series, measure) {
    const y = series.y[measure] ?? [];
    return series.x
      .map((x, i) => ({
        series, x, y: y[i] ?? null, label: series.labels[i] ?? series.name,
        low: series.low[measure]?.[i] ?? null, high: series.high[measure]?.[i] ?? null,
      }))
      .filter((point) => point.y !== null);
  }

  // What differs between the kinds of charts: marks, axes, and the words of a point.
  const KINDS = {
    curves: {
      reading: (p, chart, measure) => `${p.label}\n${chart.x_title}: ${number(p.x)}\n${chart.measures[measure]}: ${number(p.y)}`,
      options: (chart, measure, all) => ({
        marginLeft: 44, marginBottom: 40,
        x: { type: "log", domain: d3.extent(all, (p) => p.x), label: chart.x_title, labelAnchor: "center", labelArrow: "none",
             ticks: 5, tickFormat: (x) => number(x), insetLeft: 8, insetRight: 8 },
        y: { domain: d3.extent(all, (p) => p.y), nice: true, grid: true, label: chart.measures[measure], labelArrow: "none",
             ticks: 6, tickSize: 0 },
      }),
      marks: (panel, data) => [
        ...panel.series.map((one) => Plot.line(
          data.filter((p) => p.series === one), { x: "x", y: "y", sort: "x", stroke: colour(one), strokeWidth: 1.75 })),
        Plot.dot(data, { x: "x", y: "y", fill: (p) => colour(p.series), symbol: (p) => symbol(p.series), r: 3.2,
                         stroke: "var(--surface)", strokeWidth: 0.75 }),
      ],
      anchor: (p) => [p.x, p.y],
    },
    intervals: {
      reading: (p, chart, measure) =>
        [p.label === p.series.name ? p.label : `${p.label}, ${p.series.name}`, `${chart.measures[measure]}: ${number(p.y)}`,
         ...(p.low === null ? [] : [`95 %: ${number(p.low)} to ${number(p.high)}`])].join("\n"),
      height: (data) => 58 + 26 * d3.groups(data, (p) => p.label).length,
      options: (chart, measure, all, data) => ({
        marginTop: 6, marginLeft: 104, marginRight: 14, marginBottom: 38,
        x: { domain: withZero(d3.extent(all.flatMap((p) => [p.low ?? p.y, p.high ?? p.y]))), nice: true, grid: true, ticks: 5,
             label: chart.measures[measure], labelAnchor: "center", labelArrow: "none", tickSize: 0,
             tickFormat: (x) => number(x) },
        // In the order of the data, which may be by size.
        y: { type: "point", domain: d3.union(data.map((p) => p.label)), label: null, tickSize: 0, padding: 0.6 },
      }),
      marks: (panel, data, x) => [
        ...(x[0] <= 0 && x[1] >= 0 ? [Plot.ruleX([0], { stroke: "var(--muted)" })] : []),
        Plot.link(data.filter((p) => p.low !== null),
                  { x1: "low", x2: "high", y1: "label", y2: "label",
                    stroke: (p) => colour(p.series), strokeWidth: 2, strokeLinecap: "round" }),
        Plot.dot(data, { x: "y", y: "label", fill: (p) => colour(p.series), r: 4.5,
                         symbol: (p) => symbol(p.series), stroke: "var(--surface)", strokeWidth: 1 }),
      ],
      anchor: (p) => [p.y, p.label],
    },
    losses: {
      reading: (p, chart) => `${p.series.name}\n${chart.x_title} ${number(p.x)}: ${number(p.y)}`,
      options: (chart, measure, all) => {
        // The highest and lowest per cent are left out, so that a spike does not press everything else flat.
        const sorted = d3.sort(all.map((p) => p.y));
        return {
          marginLeft: 40, marginBottom: 36, clip: true,
          x: { label: chart.x_title, labelAnchor: "center", labelArrow: "none", ticks: 5 },
          y: { domain: [d3.quantileSorted(sorted, 0.01), d3.quantileSorted(sorted, 0.99)], nice: true, grid: true,
               label: chart.measures[measure], labelArrow: "none", ticks: 5, tickSize: 0 },
        };
      },
      marks: (panel, data) => panel.series.flatMap((one) => {
        const own = data.filter((p) => p.series === one);
        const k = Math.max(1, Math.round(own.length / 12));
        return [
          Plot.line(own, { x: "x", y: "y", stroke: colour(one), strokeWidth: 1, strokeOpacity: 0.35 }),
          Plot.line(own, Plot.windowY({ k, anchor: "middle" }, { x: "x", y: "y", stroke: colour(one), strokeWidth: 2 })),
        ];
      }),
      anchor: (p) => [p.x, p.y],
      ownScale: true,
    },
  };

  class Chart {
    constructor(figure) {
      this.figure = figure;
      this.spec = JSON.parse(figure.querySelector("script").textContent);
      this.kind = KINDS[this.spec.kind];
      this.measure = Object.keys(this.spec.measures)[0];
      this.hidden = new Set();
      this.reading = figure.querySelector(".reading");
      this.addControls(figure.querySelector(".controls"));
      this.frames = this.spec.panels.map((panel) => this.addPanel(panel));
      new ResizeObserver(() => this.update()).observe(figure);
      const near = new IntersectionObserver((entries) => {
        for (const { target, isIntersecting } of entries) {
          const frame = this.frames.find(({ element }) => element === target);
          frame.isNear = isIntersecting;
          if (isIntersecting) this.draw(frame);
        }
      }, { rootMargin: NEAR });
      for (const { element } of this.frames) near.observe(element);
      window.addEventListener("beforeprint", () => { for (const frame of this.frames) this.draw(frame); });
    }

    addControls(controls) {
      const measures = Object.entries(this.spec.measures);
      if (measures.length > 1) {
        const label = document.createElement("label");
        const select = document.createElement("select");
        select.append(...measures.map(([name, title]) => new Option(title, name)));
        select.addEventListener("change", () => { this.measure = select.value; this.update(true); });
        label.append("Show ", select);
        controls.append(label);
      }
      const names = new Map(this.spec.panels.flatMap((panel) => panel.series).map((one) => [one.name, one]));
      const isNamed = this.spec.panels.every((panel) => panel.series.every((one) => one.labels.every((label) => label === one.name)));
      if (isNamed && this.spec.kind === "intervals") return;  // each line bears its name
      const legend = document.createElement("div");
      legend.className = "legend";
      for (const [name, series] of names) {
        const button = document.createElement("button");
        button.type = "button";
        button.setAttribute("aria-pressed", "true");
        const mark = d3.select(button).append("svg").attr("width", 14).attr("height", 14).attr("viewBox", "-7 -7 14 14")
          .attr("aria-hidden", "true");
        if (this.spec.kind === "losses") mark.append("path").attr("d", "M-7,0H7").attr("stroke", colour(series)).attr("stroke-width", 3);
        else mark.append("path").attr("d", symbolPath(symbol(series), 52)).attr("fill", colour(series));
        button.append(name);
        button.addEventListener("click", () => {
          const isShown = this.hidden.delete(name) || !this.hidden.add(name);
          button.setAttribute("aria-pressed", String(isShown));
          this.update(true);
        });
        legend.append(button);
      }
      controls.append(legend);
    }

    addPanel(panel) {
      const frame = document.createElement("div");
      frame.className = "panel";
      frame.tabIndex = 0;
      frame.setAttribute("role", "group");
      frame.setAttribute("aria-label", `${panel.title}: arrow keys go through the points`);
      const title = document.createElement("h3");
      title.textContent = panel.title;
      const plot = document.createElement("div");
      frame.append(title, plot);
      this.figure.querySelector(".panels").append(frame);
      const state = { element: frame, panel, plot, at: -1 };
      frame.addEventListener("keydown", (event) => this.step(state, event));
      frame.addEventListener("blur", () => this.point(state, "pointerleave", [0, 0]));
      return state;
    }

    // Finds what each panel shows and how high it is; those near the window are drawn, the others keep their place.
    update(force = false) {
      const width = this.frames.find((frame) => !frame.element.hidden)?.plot.clientWidth ?? this.width;
      if (!width || (width === this.width && !force)) return;
      this.width = width;
      for (const frame of this.frames) {
        frame.data = frame.panel.series.filter((one) => !this.hidden.has(one.name)).flatMap((one) => points(one, this.measure));
        frame.at = -1;
        frame.chart = null;
        frame.plot.replaceChildren();
        frame.element.hidden = !frame.data.length;  // not measured, or hidden in the legend
        frame.height = this.kind.height?.(frame.data) ?? Math.round(Math.min(340, Math.max(230, width * 0.62)));
        frame.plot.style.minHeight = `${frame.height}px`;
      }
      this.all = this.frames.flatMap((frame) => frame.data);
      for (const frame of this.frames) if (frame.isNear) this.draw(frame);
    }

    draw(frame) {
      if (frame.chart || !frame.data?.length) return;
      const options = this.kind.options(this.spec, this.measure, this.kind.ownScale ? frame.data : this.all, frame.data);
      frame.chart = Plot.plot({
        width: this.width, height: frame.height, marginTop: 24, marginRight: 10,
        style: { background: "none", fontSize: "12px", fontFamily: "inherit", overflow: "visible" },
        ariaLabel: frame.panel.title,
        ...options,
        marks: [
          ...this.kind.marks({ series: frame.panel.series.filter((one) => !this.hidden.has(one.name)) }, frame.data, options.x.domain),
          Plot.tip(frame.data, Plot.pointer({
            x: (p) => this.kind.anchor(p)[0], y: (p) => this.kind.anchor(p)[1], maxRadius: 60,
            title: (p) => this.kind.reading(p, this.spec, this.measure),
            fill: "var(--raised)", stroke: "var(--rule)", textPadding: 10, lineHeight: 1.3, fontSize: 12.5,
          })),
        ],
      });
      frame.plot.append(frame.chart);
    }

    // Arrow keys go from point to point as a pointer would; the words of the point are also told to screen readers.
    step(frame, event) {
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!frame.data?.length || (!by && event.key !== "Escape")) return;
      event.preventDefault();
      this.draw(frame);  // the focus may be there before the window is
      if (!by) { this.point(frame, "pointerleave", [0, 0]); return; }
      frame.at = frame.at < 0 && by < 0 ? frame.data.length - 1 : (frame.at + by + frame.data.length) % frame.data.length;
      const point = frame.data[frame.at];
      const [x, y] = this.kind.anchor(point);
      this.point(frame, "pointermove", [frame.chart.scale("x").apply(x), frame.chart.scale("y").apply(y)]);
      this.reading.textContent = `${frame.panel.title}. ${this.kind.reading(point, this.spec, this.measure).replaceAll("\n", ", ")}`;
    }

    point(frame, type, [x, y]) {
      const svg = frame.chart?.ownerSVGElement ?? frame.chart;
      if (!svg) return;
      const at = new DOMPoint(x, y).matrixTransform(svg.getScreenCTM());
      svg.dispatchEvent(new PointerEvent(type, { clientX: at.x, clientY: at.y, pointerType: "mouse", bubbles: true }));
    }
  }

  for (const figure of document.querySelectorAll("figure.chart")) new Chart(figure);
})();
