// Renew the part of a page that shows how far a task came; without this file, the link «Actualizar» does it.
(() => {
  "use strict";
  const WAIT = 2000;
  const renew = async () => {
    const part = document.querySelector("[data-fy-progress]");
    if (!part) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-fy-progress]");
      if (answer.ok && !fresh) return location.reload();
      if (fresh) part.replaceWith(fresh);
    } catch {
      // The next try may find the server again.
    }
    setTimeout(renew, WAIT);
  };
  setTimeout(renew, WAIT);
})();
