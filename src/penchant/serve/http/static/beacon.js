/* <script src="https://rec.example/beacon.js" data-key="pk_..." data-user="7"></script>, then penchant("view", "42").
   Without data-user, events belong to a session id that this browser makes up. */
(() => {
  const script = document.currentScript, to = new URL("/v1/events", script.src), name = "penchant-session";
  const random = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), b => b.toString(16).padStart(2, "0")).join("");
  let waiting = [], timer = 0, session;
  try { session = localStorage[name] ||= random(); } catch { session = random(); }
  const send = () => {
    clearTimeout(timer);
    timer = 0;
    const events = waiting.splice(0, 100);
    if (!events.length) return;
    const headers = { "content-type": "application/json", authorization: "Bearer " + script.dataset.key };
    const again = () => { waiting = events.concat(waiting).slice(0, 100); timer ||= setTimeout(send, 9000); };
    fetch(to, { method: "POST", keepalive: true, credentials: "omit", headers, body: JSON.stringify({ events }) })
      .then(r => r.status > 428 && again(), again);
  };
  window.penchant = (kind, item, more) => {
    const who = script.dataset.user ? { user: script.dataset.user } : { session };
    waiting.push({ ...who, kind, item: String(item), id: random(), time: Math.floor(Date.now() / 1000), ...more });
    timer ||= setTimeout(send, 200);
  };
  addEventListener("pagehide", send);
})();
