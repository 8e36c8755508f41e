// A large file goes up in pieces as soon as it is chosen, and on from where it stopped; with this file blocked the form
// sends it whole. The place holds a file input, a bar and a line of text (templates/packages/partials/large_file.html).
(() => {
  "use strict";
  const PIECE = 4 * 1024 * 1024, TRIES = 6, MB = 1024 * 1024;
  const whole = (bytes) => Math.max(1, Math.round(bytes / MB)).toLocaleString("es-MX");
  const pause = (ms) => new Promise((go) => setTimeout(go, ms));
  const span = (seconds) => (seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`);

  document.querySelectorAll("[data-fy-upload]").forEach((place) => {
    const url = place.dataset.fyUpload, form = place.closest("form"), $ = (s) => place.querySelector(s);
    const input = $("input[type=file]"), box = $("[data-fy-going]"), bar = $("progress"), line = $("[data-fy-amount]");
    const title = $("[data-fy-name]"), hash = $("[data-fy-hash]"), say = $("[role=status]"), stop = $("[name=cancelar]");
    const button = form.querySelector("[data-fy-waits]"), hint = form.querySelector("[data-fy-waits-hint]");
    const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
    const KEY = `fy-subida:${url}`; // which file of this computer the server has a part of, and its mark
    const nameOf = (file) => JSON.stringify([file.name, file.size, file.lastModified]);
    const recall = () => { try { return JSON.parse(localStorage.getItem(KEY)) ?? {}; } catch { return {}; } };
    const remember = (sent) => { try { localStorage.setItem(KEY, JSON.stringify(sent)); } catch { /* then it begins anew */ } };
    const makeMark = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (n) => n.toString(16).padStart(2, "0")).join("");
    let going = null, told = -1;

    const wait = (isWaiting) => {
      if (!button) return;
      if (isWaiting) button.setAttribute("aria-disabled", "true"); else button.removeAttribute("aria-disabled");
      if (hint) hint.hidden = !isWaiting;
    };
    const tell = (text) => { line.textContent = text; say.textContent = text; };
    const show = (received, size, left) => {
      box.hidden = false;
      bar.max = size;
      bar.value = received;
      bar.hidden = false;
      const amount = `${whole(received)} de ${whole(size)} MB`;
      bar.setAttribute("aria-label", `Subida: ${amount}`);
      line.textContent = left && received < size ? `${amount} · quedan unos ${span(left)}` : amount;
      const tenth = Math.floor((received / size) * 10);
      if (tenth !== told) { told = tenth; say.textContent = `Subida: ${amount}`; } // not every piece is spoken
    };
    const groups = (sha256) => sha256.match(/.{4}/g).join(" ");
    const finish = (state) => {
      show(state.received, state.size);
      tell(`${whole(state.size)} MB · completo`);
      if (hash) hash.textContent = `Huella (SHA-256): ${groups(state.sha256)}`;
      input.value = ""; // the server has it: the form does not send it again
    };
    const fail = (text) => {
      tell(text);
      box.hidden = false;
      bar.hidden = true;
    };

    // one request; an answer that is no state of ours is an error with words
    const ask = async (options) => {
      const answer = await fetch(url, { redirect: "manual", ...options, headers: { "X-CSRFToken": token, ...options.headers } });
      if (answer.type === "opaqueredirect") throw { text: "Su sesión se cerró. Ingrese otra vez y elija el mismo archivo: sigue donde quedó." };
      const state = await answer.json().catch(() => ({}));
      if (answer.ok || (answer.status === 409 && Number.isInteger(state.received))) return state;
      if (answer.status >= 500 && !state.error) throw new TypeError("try again");
      throw { text: state.error || "No se pudo subir. Recargue la página e inténtelo de nuevo." };
    };
    // the network comes and goes: wait longer each time
    const insist = async (options, signal) => {
      for (let n = 0; ; n += 1) {
        try { return await ask({ ...options, signal }); } catch (error) {
          if (!(error instanceof TypeError) || n === TRIES) throw error;
          line.textContent = "Sin conexión; sigo intentando…";
          await pause(500 * 2 ** n);
        }
      }
    };
    const send = async (file, signal) => {
      const began = performance.now(), name = encodeURIComponent(file.name);
      let state = await insist({ method: "GET" }, signal);
      // another file, or one that changed since: what the server has of the old one is of no use
      const sent = recall(), isSame = state.size === file.size && sent.file === nameOf(file);
      if (state.size && !isSame) state = await insist({ method: "POST", body: new URLSearchParams({ cancelar: "1" }) }, signal);
      const mark = isSame ? sent.mark : makeMark(); // a piece of another window has another mark, and is refused
      remember({ file: nameOf(file), mark });
      let at = state.received ?? 0, first = at, stuck = 0;
      while (!state.sha256) {
        const before = at;
        state = await insist({ method: "POST", body: file.slice(at, at + PIECE), headers: {
          "Content-Type": "application/octet-stream", "X-Upload-Name": name, "X-Upload-Size": file.size, "X-Upload-Offset": at, "X-Upload-Mark": mark } }, signal);
        at = state.received;
        stuck = at > before || state.sha256 ? 0 : stuck + 1;
        if (stuck > TRIES) throw { text: "Otra ventana está subiendo un archivo aquí. Ciérrela o cancele la subida." };
        if (stuck) { first = Math.min(first, at); await pause(300 * stuck); }
        const speed = (at - first) / (performance.now() - began);
        show(at, file.size, speed > 0 ? (file.size - at) / speed / 1000 : 0);
      }
      return state;
    };
    const start = async () => {
      const file = input.files[0];
      if (!file) return;
      going?.abort();
      const mine = going = new AbortController();
      title.textContent = file.name;
      if (hash) hash.textContent = "";
      told = -1;
      show(0, file.size);
      if (stop) stop.hidden = false;
      wait(true);
      try {
        const state = await send(file, mine.signal);
        if (going === mine) finish(state);
      } catch (error) {
        if (going !== mine || error.name === "AbortError") return;
        fail(error.text ?? "Se perdió la conexión. Elija el mismo archivo para seguir donde quedó, o envíe el formulario.");
      }
      if (going === mine) { going = null; wait(false); }
    };
    input.addEventListener("change", start);
    form.addEventListener("submit", (ev) => {
      if (going && ev.submitter !== stop) { // the file first
        ev.preventDefault();
        ev.stopImmediatePropagation();
        say.textContent = "Espere a que termine la subida.";
      }
    }, true);
    stop?.addEventListener("click", async (ev) => {
      ev.preventDefault();
      going?.abort();
      going = null;
      try {
        await ask({ method: "POST", body: new URLSearchParams({ cancelar: "1" }) });
        box.hidden = true;
        say.textContent = "Se canceló la subida; no quedó nada del archivo.";
      } catch (error) {
        fail(error.text ?? "No se pudo cancelar. Recargue la página.");
      }
      input.value = "";
      wait(false);
      input.focus();
    });
    // offline for long: go on by itself when the network is back
    addEventListener("online", () => { if (!going && input.files[0]) start(); });
  });
})();
