"use strict";
{
  const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

  if (navigator.clipboard) {
    for (const pre of document.querySelectorAll(".command pre")) {
      const button = make("button", { type: "button", textContent: "Copy" });
      button.setAttribute("aria-label", `Copy: ${pre.textContent}`);
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(pre.textContent);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      });
      pre.after(button);
    }
  }

  const tree = document.querySelector(".tree");
  const branches = tree ? [...tree.querySelectorAll("details")] : [];
  if (branches.length) {
    const tools = make("div", { className: "tools" });
    for (const [text, open] of [["Unfold all", true], ["Fold all", false]]) {
      const button = make("button", { type: "button", textContent: text });
      button.addEventListener("click", () => branches.forEach((branch) => { branch.open = open; }));
      tools.append(button);
    }
    tree.before(tools);
  }

  const table = document.getElementById("all");
  if (table) {
    const rows = [...table.tBodies[0].rows];
    const input = make("input", { type: "search", placeholder: "Filter by name, verdict or reason" });
    input.setAttribute("aria-label", "Filter the distributions");
    const count = make("output", { className: "muted small" });
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += row.hidden ? 0 : 1;
      }
      count.textContent = words.length ? `${shown} of ${rows.length}` : "";
    });
    const tools = make("div", { className: "tools" });
    tools.append(input, count);
    table.before(tools);
  }

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((one) => { one.open = false; }));
}
