// Search in pages that are opened from disk. A browser starts no worker from a file, so the script of the worker runs in an empty
// frame instead: `Worker` keeps its interface (postMessage, onmessage, addEventListener, terminate).
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.waiting = []; // messages from before the script is loaded
      document.documentElement.append(this.frame);
      const inside = this.frame.contentWindow;
      inside.postMessage = (data) => this.receive(data);
      inside.importScripts = () => Promise.reject(new Error("not available in pages that are opened from disk"));
      const script = inside.document.createElement("script");
      script.src = new URL(url, location.href).href;
      script.onload = () => { this.ready = true; this.waiting.splice(0).forEach((data) => this.send(data)); };
      inside.document.body.append(script);
    }
    receive(data) {
      const event = new MessageEvent("message", { data });
      this.dispatchEvent(event);
      if (this.onmessage) this.onmessage(event);
    }
    send(data) {
      const inside = this.frame.contentWindow;
      inside.dispatchEvent(new inside.MessageEvent("message", { data }));
    }
    postMessage(data) {
      if (this.ready) this.send(data); else this.waiting.push(data);
    }
    terminate() { this.frame.remove(); }
  };
}
