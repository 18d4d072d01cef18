const form = document.getElementById("filters");
if (form) {
  const update = () => {
    const severities = new Set([...form.querySelectorAll("input:checked")].map((box) => box.value));
    const perspective = form.elements.perspective.value;
    let shown = 0;
    for (const article of document.querySelectorAll("article")) {
      const { severity, perspective: own } = article.dataset;
      article.hidden = !severities.has(severity) || (perspective !== "" && own !== perspective);
      shown += article.hidden ? 0 : 1;
    }
    form.querySelector("output").textContent = `${shown} shown`;
  };
  form.addEventListener("change", update);
  update();
}
