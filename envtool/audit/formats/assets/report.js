// The filters are style (report.css); this only says how many findings they leave.
const output = document.querySelector(".filters output");
if (output) {
  const count = () => {
    let shown = 0;
    for (const entry of document.querySelectorAll(".entry")) {
      if (entry.checkVisibility ? entry.checkVisibility() : entry.offsetParent !== null) {
        shown += entry.querySelectorAll(".spots > li").length;
      }
    }
    output.textContent = `${shown} shown`;
  };
  document.addEventListener("change", count);
  count();
}
