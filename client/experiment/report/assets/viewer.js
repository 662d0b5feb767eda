// Compares an image with what codecs made of it: a slider between the two, both side by side, or their difference.
(() => {
  const VIEWS = { slider: "Slider", sides: "Side by side", difference: "Difference" };
  const ZOOMS = [1, 2, 4, 8, 16, 32];
  const FIT = "fit";
  const FIT_PX = 640;

  const element = (name, fields = {}, ...children) => {
    const made = Object.assign(document.createElement(name), fields);
    made.append(...children);
    return made;
  };

  class Viewer {
    constructor(root) {
      this.comparisons = JSON.parse(root.querySelector("script").textContent);
      this.stages = root.querySelector(".stages");
      this.view = "slider";
      this.split = 50;
      this.gain = 8;
      this.addControls(root.querySelector(".controls"));
      this.chooseImage(0);
      new ResizeObserver(() => this.resize()).observe(root);
    }

    addControls(controls) {
      this.image = element("select", { onchange: () => this.chooseImage(Number(this.image.value)) },
        ...this.comparisons.map((one, i) => new Option(one.title, i)));
      this.setting = element("select", { onchange: () => this.show() });
      this.zoom = element("select", { onchange: () => this.resize() },
        new Option("fit", FIT), ...ZOOMS.map((zoom) => new Option(`${zoom}×`, zoom)));
      this.amplify = element("select", { onchange: () => { this.gain = Number(this.amplify.value); this.show(); } },
        ...[1, 2, 4, 8, 16].map((gain) => new Option(`${gain}×`, gain, false, gain === this.gain)));
      this.views = element("div", { className: "views" }, ...Object.entries(VIEWS).map(([name, title]) => {
        const button = element("button", { type: "button", onclick: () => { this.view = name; this.show(); } }, title);
        button.dataset.view = name;
        return button;
      }));
      this.views.setAttribute("role", "group");
      this.views.setAttribute("aria-label", "View");
      this.amplifyLabel = element("label", {}, "Amplified ", this.amplify);
      controls.append(element("label", { className: "wide" }, "Image ", this.image), element("label", {}, "Compressed by ", this.setting),
        this.views, element("label", {}, "Zoom ", this.zoom), this.amplifyLabel);
    }

    chooseImage(number) {
      const [original, ...results] = this.comparisons[number].pictures;
      const before = this.setting.selectedOptions[0]?.text;
      this.original = original;
      this.results = results;
      this.setting.replaceChildren(...results.map((one, i) => new Option(one.title, i, false, one.title === before)));
      this.show();
    }

    show() {
      this.result = this.results[Number(this.setting.value)];
      for (const button of this.views.children) button.setAttribute("aria-pressed", String(button.dataset.view === this.view));
      this.amplifyLabel.hidden = this.view !== "difference";
      const stages = {
        slider: () => [this.sliderStage()],
        sides: () => [this.stage([this.picture(this.original)], this.original), this.stage([this.picture(this.result)], this.result)],
        difference: () => [this.stage([this.picture(this.original)], this.original), this.stage([this.picture(this.result)], this.result),
                           this.differenceStage()],
      }[this.view]();
      this.stages.className = `stages ${this.view}`;
      this.stages.replaceChildren(...stages);
      this.resize();
      this.linkScrolling();
    }

    stage(layers, { title, detail }) {
      const sheet = element("div", { className: "sheet" }, ...layers);
      const pane = element("div", { className: "pane", tabIndex: 0 }, sheet);
      pane.setAttribute("role", "region");
      pane.setAttribute("aria-label", title);
      return element("figure", { className: "stage" }, pane,
        element("figcaption", {}, element("strong", {}, title), " ", detail));
    }

    picture({ url, title }) {
      return element("img", { src: url, alt: title, draggable: false });
    }

    sliderStage() {
      const top = this.picture(this.result);
      top.className = "top-layer";
      const line = element("div", { className: "line" });
      const range = element("input", { type: "range", min: 0, max: 100, step: 0.5, value: this.split });
      range.setAttribute("aria-label", "Border between original and compressed, in per cent from the left");
      const figure = this.stage([this.picture(this.original), top, line], {
        title: `Left: original, ${this.original.detail}.`, detail: `Right: ${this.result.title}, ${this.result.detail}.` });
      const sheet = figure.querySelector(".sheet");
      const move = (split) => {
        this.split = Math.min(100, Math.max(0, split));
        range.value = this.split;
        sheet.style.setProperty("--split", `${this.split}%`);
      };
      range.addEventListener("input", () => move(Number(range.value)));
      const follow = (event) => {
        const box = sheet.getBoundingClientRect();
        move(100 * (event.clientX - box.left) / box.width);
      };
      sheet.addEventListener("pointerdown", (event) => { sheet.setPointerCapture(event.pointerId); follow(event); });
      sheet.addEventListener("pointermove", (event) => { if (sheet.hasPointerCapture(event.pointerId)) follow(event); });
      figure.querySelector(".pane").after(range);
      move(this.split);
      return figure;
    }

    differenceStage() {
      const canvas = element("canvas", { width: this.original.width, height: this.original.height });
      canvas.setAttribute("role", "img");
      const figure = this.stage([canvas], { title: "Difference,", detail: `amplified ${this.gain}×; grey is none` });
      const sides = [this.original, this.result].map(({ url }) => element("img", { src: url }));
      Promise.all(sides.map((side) => side.decode())).then(() => {
        const [a, b] = sides.map((side) => {
          const context = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
          context.drawImage(side, 0, 0);
          return context.getImageData(0, 0, canvas.width, canvas.height);
        });
        for (let i = 0; i < a.data.length; i += 1) {
          a.data[i] = i % 4 === 3 ? 255 : 128 + this.gain * (b.data[i] - a.data[i]);
        }
        canvas.getContext("2d").putImageData(a, 0, 0);
        canvas.dataset.drawn = "true";
      });
      return figure;
    }

    // Fitted, an image is as large as a whole zoom allows, or as small as there is room.
    resize() {
      const { width, height } = this.original;
      const room = Math.min(FIT_PX / Math.max(width, height), this.stages.clientWidth / (width + 2));
      const fitted = ZOOMS.findLast((zoom) => zoom <= room) ?? room;
      const zoom = this.zoom.value === FIT ? fitted : Number(this.zoom.value);
      this.stages.style.setProperty("--width", `${zoom * width}px`);
      this.stages.style.setProperty("--height", `${zoom * height}px`);
      this.stages.classList.toggle("smooth", zoom < 1);
    }

    // Panes show the same part.
    linkScrolling() {
      const panes = [...this.stages.querySelectorAll(".pane")];
      for (const pane of panes) {
        pane.addEventListener("scroll", () => {
          for (const other of panes) if (other !== pane) other.scrollTo(pane.scrollLeft, pane.scrollTop);
        });
      }
    }
  }

  for (const root of document.querySelectorAll(".viewer")) new Viewer(root);
})();
