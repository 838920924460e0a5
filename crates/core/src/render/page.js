"use strict";
(() => {
  const all = (what) => [...document.querySelectorAll(what)];
  const one = (what) => document.getElementById(what);
  const rows = all("tr.row");
  const boxes = all("tr.row input");
  const filter = () => {
    const text = one("text").value.trim().toLowerCase();
    const kind = one("kind").value;
    const states = new Set(all(".state input:checked").map((box) => box.value));
    let shown = 0;
    for (const row of rows) {
      row.hidden = !(states.has(row.dataset.state) && (!kind || row.dataset.kind === kind)
        && row.dataset.text.includes(text));
      shown += row.hidden ? 0 : 1;
    }
    for (const body of all(".matrix tbody")) {
      body.hidden = !body.querySelector("tr.row:not([hidden])");
    }
    one("shown").textContent = shown + " of " + rows.length + " objects";
    one("nothing").hidden = shown > 0;
  };
  // The same rule as that of the program: what is not plain is put in single quotes.
  const quoted = (word) => /^[A-Za-z0-9_.\/=:,@+-]+$/.test(word)
    ? word : "'" + word.replaceAll("'", "'\\''") + "'";
  const command = () => {
    const from = one("from");
    const to = one("to");
    const kinds = new Map();
    let left = 0;
    for (const box of boxes) {
      if (!box.checked) continue;
      const row = box.closest("tr");
      if (!row.dataset.has.split(" ").includes(from.value)) { left += 1; continue; }
      const kind = row.dataset.kind;
      kinds.set(kind, (kinds.get(kind) || "kind=" + kind) + ",name=" + row.dataset.name);
    }
    const name = (select) => select.selectedOptions[0].dataset.name;
    const same = from.value === to.value;
    const ready = kinds.size > 0 && !same;
    one("copy").disabled = !ready;
    one("left").textContent = left ? left + " ticked are not in " + from.selectedOptions[0].text : "";
    one("command").textContent = same ? "Choose two different ones." : !ready
      ? "Tick objects to make a command that plans them."
      : "orgsmith plan " + quoted(name(from)) + " --to " + quoted(name(to))
        + [...kinds.values()].map((term) => " --select " + quoted(term)).join("");
  };
  for (const what of ["text", "kind"]) one(what).addEventListener("input", filter);
  for (const box of all(".state input")) box.addEventListener("change", filter);
  for (const what of ["from", "to"]) one(what).addEventListener("change", command);
  for (const box of boxes) box.addEventListener("change", command);
  one("tick").addEventListener("click", () => {
    const shown = boxes.filter((box) => !box.closest("tr").hidden);
    const ticked = shown.length > 0 && shown.every((box) => box.checked);
    for (const box of shown) box.checked = !ticked;
    command();
  });
  one("copy").addEventListener("click", async () => {
    const code = one("command");
    let done = true;
    try { await navigator.clipboard.writeText(code.textContent); } catch {
      // A page that was opened as a file may have no clipboard: select, and the older way.
      const range = document.createRange();
      range.selectNodeContents(code);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      done = document.execCommand("copy");
    }
    one("copy").textContent = done ? "Copied" : "Selected";
    setTimeout(() => { one("copy").textContent = "Copy"; }, 1500);
  });
  one("unfold").addEventListener("click", () => {
    const open = all("tr.row:not([hidden]) details");
    const fold = open.length > 0 && open.every((found) => found.open);
    for (const found of open) found.open = !fold;
  });
  for (const tool of all(".needs-script")) tool.hidden = false;
  filter();
  command();
})();
