// Shows what has changed without a reload: asks for the page again and puts the parts that differ in the place of the old.
"use strict";

const pause = 500; // milliseconds

async function update() {
  const silent = document.getElementById("silent");
  try {
    const reply = await fetch(location.href, { cache: "no-store" });
    if (!reply.ok) throw new Error(reply.statusText);
    const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
    for (const part of fresh.querySelectorAll(".live")) {
      const old = document.getElementById(part.id);
      if (!old.isEqualNode(part)) old.replaceWith(document.adoptNode(part));
    }
    silent.hidden = true;
  } catch {
    silent.hidden = false;
  }
  setTimeout(update, pause);
}

setTimeout(update, pause);
