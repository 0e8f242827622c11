"use strict";

const at = (id) => document.getElementById(id);
const state = { user: "sam", conversation: "", messages: [], stopper: null, catalogue: null };

// The settings form, field by field: what the API takes.
const DEGREES = ["0 – generic", "1 – settings", "2 – and facts", "3 – and memory"];
const SETTINGS = [
  ["degree", ["0", "1", "2", "3"]],
  ["name"],
  ["language"],
  ["tone", ["neutral", "friendly", "formal", "playful", "direct"]],
  ["length", ["brief", "medium", "long"]],
  ["detail", ["low", "medium", "high"]],
  ["format", ["plain", "markdown", "bullets", "steps"]],
  ["expertise", ["beginner", "intermediate", "expert"]],
  ["accessibility", ["plain_language", "screen_reader", "dyslexia"]],
  ["favourite_categories"],
  ["avoided_categories"],
  ["instructions"],
];

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function tell(message) {
  at("notice").textContent = message;
  at("notice").hidden = !message;
}

// One request; errors are thrown with the server's own sentence.
async function call(path, { method = "GET", body, headers = {}, signal } = {}) {
  const sent = { ...headers };
  if (body !== undefined) sent["content-type"] = "application/json";
  if (at("key").value) sent.authorization = "Bearer " + at("key").value;
  const response = await fetch(path, {
    method, headers: sent, signal, body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.ok) return response;
  if (response.status === 401) at("key-label").hidden = false;
  let message = response.statusText;
  try { message = (await response.json()).error.message; } catch { /* not ours: keep the status */ }
  throw new Error(message);
}

const userPath = (rest) => "/v1/users/" + encodeURIComponent(state.user) + rest;

async function guarded(work) {
  try {
    await work();
    tell("");
  } catch (error) {
    if (error.name !== "AbortError") tell(error.message);
  }
}

// ---- what is known of the user ----

async function showFacts() {
  const facts = (await (await call(userPath("/facts"))).json()).data;
  const list = at("facts");
  list.replaceChildren(...facts.map((fact) => {
    const forget = make("button", { type: "button", className: "link", textContent: "forget" });
    forget.addEventListener("click", () => guarded(async () => {
      await call(userPath("/facts/" + encodeURIComponent(fact.id)), { method: "DELETE" });
      await showFacts();
    }));
    return make("li", { title: fact.source + ", confidence " + fact.confidence },
      make("span", { textContent: fact.text }), forget);
  }));
  if (!facts.length) list.append(make("li", { className: "muted", textContent: "Nothing yet." }));
}

async function showSettings() {
  const settings = await (await call(userPath("/settings"))).json();
  at("settings").replaceChildren(...SETTINGS.flatMap(([key, choices]) => {
    const field = choices
      ? make("select", {}, make("option", { value: "", textContent: "not set" }),
        ...choices.map((choice) => make("option", {
          value: choice, textContent: key === "degree" ? DEGREES[choice] : choice.replace("_", " "),
        })))
      : make("input", { placeholder: "not set" });
    field.id = "setting-" + key;
    field.value = settings[key] ?? "";
    field.addEventListener("change", () => guarded(async () => {
      const value = field.value === "" ? null : key === "degree" ? Number(field.value) : field.value;
      await call(userPath("/settings"), { method: "PATCH", body: { [key]: value } });
    }));
    return [make("label", { htmlFor: field.id, textContent: key.replace("_", " ") }), field];
  }));
}

// ---- what is recommended ----

function pick(list, item) {
  const react = (reaction) => guarded(async () => {
    await call("/v1/feedback", {
      method: "POST", body: { response_id: list.id, item: item.item, reaction, user: state.user },
    });
    await showPicks();
  });
  const button = (label, reaction) => {
    const element = make("button", { type: "button", className: "link", textContent: label });
    element.setAttribute("aria-label", label + " " + item.title);
    element.addEventListener("click", () => react(reaction));
    return element;
  };
  const title = item.title + (item.year && !item.title.endsWith(")") ? " (" + item.year + ")" : "");
  return make("li", {},
    make("span", { className: "title", textContent: title }),
    make("span", { className: "actions" }, button("like", "like"), button("hide", "hide")),
    make("span", { className: "muted small", textContent: item.reasons[0]?.text ?? "" }));
}

async function showPicks() {
  if (!state.catalogue) return;
  const list = await (await call("/v1/recommendations", {
    method: "POST", body: { user: state.user, k: 5, explain: true },
  })).json();
  at("pick-list").replaceChildren(...list.items.map((item) => pick(list, item)));
  at("picks-from").textContent = "From " + list.catalogue + ", ranked by " + list.model + ".";
}

// A catalogue may be there only after a while: it is prepared in the background at the first start.
async function findCatalogue() {
  const ready = await (await call("/readyz")).json();
  state.catalogue = ready.catalogue;
  at("picks").hidden = !ready.catalogue;
  at("ask-films").hidden = !ready.catalogue;
  return ready;
}

async function findTitles(words) {
  const found = await (await call("/v1/catalogue/items?limit=10&query=" + encodeURIComponent(words))).json();
  return found.data;
}

async function showUser() {
  for (const each of document.querySelectorAll("[data-user]")) each.textContent = state.user;
  await Promise.all([showFacts(), showSettings(), showPicks()]);
}

// ---- the chat ----

function bubble(role, text) {
  const item = make("li", { className: role, textContent: text });
  at("messages").append(item);
  item.scrollIntoView({ block: "end" });
  return item;
}

// Yields the data of each server-sent event.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data: ") && line !== "data: [DONE]") yield JSON.parse(line.slice(6));
    }
  }
}

async function answer(item) {
  const headers = {};
  if (state.conversation) headers["x-rapport-conversation"] = state.conversation;
  if (at("generic").checked) headers["x-rapport-degree"] = "0";
  state.stopper = new AbortController();
  const response = await call("/v1/chat/completions", {
    method: "POST", headers, signal: state.stopper.signal,
    // A small model does not always know when to stop.
    body: {
      model: "default", user: state.user, messages: state.messages, stream: true,
      max_completion_tokens: 300,
    },
  });
  state.conversation = response.headers.get("x-rapport-conversation") ?? state.conversation;
  let text = "", id = "";
  for await (const event of events(response)) {
    if (event.error) throw new Error(event.error.message);
    id = event.id;
    text += event.choices[0]?.delta?.content ?? "";
    item.textContent = text;
    item.scrollIntoView({ block: "end" });
  }
  state.messages.push({ role: "assistant", content: text });
  await guarded(() => showReasons(item, id));
}

// What the answer rests on, under it; all of the explanation on demand.
async function showReasons(item, id) {
  const why = await explanation(id);
  const more = make("button", { type: "button", className: "link", textContent: "why?" });
  more.addEventListener("click", () => showExplanation(why));
  const reasons = used(why).map((text) => make("span", { className: "reason", textContent: text }));
  item.append(make("div", { className: "reasons" }, ...reasons, more));
  item.scrollIntoView({ block: "end" });
}

function used(why) {
  return why.used.facts.map((fact) => fact.text)
    .concat(Object.entries(why.used.settings).map(([key, value]) => key + ": " + value));
}

async function say(text) {
  document.querySelector(".hint")?.remove();
  state.messages.push({ role: "user", content: text });
  bubble("user", text);
  const item = bubble("assistant", "…");
  at("send").disabled = true;
  at("stop").hidden = false;
  try {
    await answer(item);
    tell("");
  } catch (error) {
    state.messages.pop();
    item.classList.add("failed");
    item.textContent = error.name === "AbortError" ? "Stopped." : error.message;
  }
  at("send").disabled = false;
  at("stop").hidden = true;
  await guarded(showUser);
}

function list(items) {
  return make("ul", {}, ...items.map((text) => make("li", { textContent: text })));
}

async function explanation(id) {
  return (await call("/v1/responses/" + encodeURIComponent(id) + "/explanation")).json();
}

function showExplanation(why) {
  const parts = [make("p", { textContent: why.summary })];
  if (why.left_out.length) {
    parts.push(make("p", { className: "muted", textContent: "Left out" }),
      list(why.left_out.map((each) => each.what + " – " + each.why)));
  }
  const listed = why.recommendation?.items ?? [];
  if (listed.length) {
    parts.push(make("p", { className: "muted", textContent: "Recommended" }),
      list(listed.map((each) => [each.title, ...each.reasons.map((reason) => reason.text)].join(" – "))));
  }
  if (why.prompt?.personal) {
    parts.push(make("p", { className: "muted", textContent: "Added to the prompt" }),
      make("pre", { textContent: why.prompt.personal }));
  }
  parts.push(make("p", { className: "muted",
    textContent: why.steps.map((step) => step.step + " " + step.milliseconds.toFixed(1) + " ms").join(" · ") }));
  at("why-text").replaceChildren(...parts);
  at("why").hidden = false;
  at("why").scrollIntoView({ block: "nearest" });
}

function startOver() {
  state.stopper?.abort();
  state.conversation = "";
  state.messages = [];
  at("messages").replaceChildren();
  at("why").hidden = true;
}

// ---- the page ----

at("chat").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("text").value.trim();
  if (!text || at("send").disabled) return;
  at("text").value = "";
  say(text);
});
at("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    at("chat").requestSubmit();
  }
});
at("stop").addEventListener("click", () => state.stopper?.abort());
at("fresh").addEventListener("click", startOver);
at("who").addEventListener("submit", (event) => {
  event.preventDefault();
  state.user = at("user").value.trim();
  startOver();
  guarded(showUser);
});
at("fact").addEventListener("submit", (event) => {
  event.preventDefault();
  guarded(async () => {
    await call(userPath("/facts"), { method: "POST", body: { text: at("fact-text").value } });
    at("fact-text").value = "";
    await showFacts();
  });
});
at("find-text").addEventListener("input", () => guarded(async () => {
  const words = at("find-text").value.trim();
  if (!words) return;
  const items = await findTitles(words);
  at("titles").replaceChildren(...items.map((item) => make("option", { value: item.title })));
}));
at("find").addEventListener("submit", (event) => {
  event.preventDefault();
  guarded(async () => {
    const words = at("find-text").value.trim();
    const items = await findTitles(words);
    const item = items.find((each) => each.title === words) ?? items[0];
    if (!item) throw new Error("The catalogue has no title with these words.");
    await call("/v1/events", {
      method: "POST", body: { user: state.user, events: [{ kind: "like", item: item.id }] },
    });
    at("find-text").value = "";
    await showPicks();
  });
});
for (const button of document.querySelectorAll("[data-say]"))
  button.addEventListener("click", () => say(button.dataset.say));
for (const tab of document.querySelectorAll("[data-tab]")) {
  tab.addEventListener("click", () => {
    for (const other of document.querySelectorAll("[data-tab]"))
      other.setAttribute("aria-selected", String(other === tab));
    for (const code of document.querySelectorAll("[data-code]"))
      code.hidden = code.dataset.code !== tab.dataset.tab;
  });
}
for (const each of document.querySelectorAll("[data-origin]")) each.textContent = location.origin;
// Never the key itself: examples are copied into chats and tickets. Without keys any word will do.
function showKeyHint() {
  for (const each of document.querySelectorAll("[data-key]"))
    each.textContent = at("key").value ? "rk_…" : "none";
}
at("key").addEventListener("input", showKeyHint);
showKeyHint();
guarded(async () => {
  const ready = await findCatalogue();
  at("model").textContent = "Answering with " + ready.model + ".";
  await showUser();
});
