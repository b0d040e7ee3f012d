// What pages do by themselves besides htmx: nothing is asked for again while nobody looks.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.detail.requestConfig.verb === "get") event.preventDefault();
});

// A button that cannot be undone asks first.
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// A page with a part that is live follows a stream, which says that something has changed; the part
// is asked for anew then. Where no stream is to be had, the clock says so.
const AGAIN_MS = 5000;
const source = document.querySelector("[data-live]")?.dataset.live;
let stream = null;

function askAnew() {
  htmx.trigger(document.body, "changed");
}

function follow() {
  stream?.close();
  stream = document.hidden ? null : new EventSource(source);
  stream?.addEventListener("message", askAnew);
  stream?.addEventListener("end", () => window.location.reload());
}

if (source) {
  follow();
  document.addEventListener("visibilitychange", follow);
  setInterval(() => {
    if (stream?.readyState !== EventSource.CLOSED) return;
    askAnew();
    follow();
  }, AGAIN_MS);
}

// What somebody uses is not replaced under their hands: neither a choice, a field or a text that is
// marked, nor rows above which they have scrolled away. They are told what is new instead.
const news = document.createElement("button");
news.className = "news";
news.type = "button";
news.setAttribute("role", "status");
let isBehind = false;

function isInUse(part) {
  const marked = document.getSelection();
  return (
    part.querySelector("input:checked") !== null ||
    (part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) ||
    (!marked.isCollapsed && part.contains(marked.anchorNode))
  );
}

function tellNews(count) {
  news.textContent = count ? `${count} new` : "There is more by now";
  if (!news.isConnected) document.body.append(news);
}

// Whether a part of the page is to be replaced by what it has become.
function isReplaced(part, fresh) {
  if (!fresh || fresh.textContent === part.textContent) return false;
  const known = new Set([...part.querySelectorAll("a.id")].map((row) => row.id));
  const count = [...fresh.querySelectorAll("a.id")].filter((row) => !known.has(row.id)).length;
  isBehind = isInUse(part) || (count > 0 && part.getBoundingClientRect().top < 0);
  if (isBehind) tellNews(count);
  else news.remove();
  return !isBehind;
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const part = event.detail.target;
  if (!event.detail.shouldSwap || !part.dataset.live) return;
  const page = new DOMParser().parseFromString(event.detail.serverResponse, "text/html");
  event.detail.shouldSwap = isReplaced(part, page.getElementById(part.id));
});
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  if (event.detail.target.hasAttribute("hx-get")) return; // what a list says of looking on
  const fresh = event.detail.fragment.firstElementChild;
  event.detail.shouldSwap = isReplaced(event.detail.target, fresh);
});
news.addEventListener("click", () => {
  document.activeElement.blur();
  document.getSelection().removeAllRanges();
  window.scrollTo(0, 0);
  askAnew();
});
// Once nothing is used any more, the page catches up.
for (const end of ["focusout", "change", "scrollend", "pointerup"]) {
  document.addEventListener(end, () => isBehind && setTimeout(askAnew));
}
