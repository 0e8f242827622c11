// The official Node client against the real server with the real model. node --test runs it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const require = createRequire(join(root, "build/deps/clients/node/package.json"));
const { default: OpenAI } = await import(pathToFileURL(require.resolve("openai")));

let home, server, url, client;
const messages = [{ role: "user", content: "Name one fruit." }];

before(async () => {
  home = await mkdtemp(join(tmpdir(), "rapport-conformance-"));
  const program = process.env.RAPPORT_PROGRAM ?? join(root, "build/release/rapport");
  // The program refuses RAPPORT_ variables that it does not know, the tests' own among them.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("RAPPORT_")));
  server = spawn(program, ["--home", home, "--json", "--quiet", "serve", "--listen", "127.0.0.1:0"], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  for await (const piece of server.stdout) {
    text += piece;
    if (text.endsWith("}\n")) break;
  }
  url = JSON.parse(text).url;
  client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "unused", maxRetries: 0 });
});

after(async () => {
  const ended = new Promise((resolve) => server.once("exit", (code) => resolve(code)));
  server.kill("SIGTERM");
  assert.equal(await ended, 0);
  await rm(home, { recursive: true, force: true });
});

test("an answer and its stream say the same", async () => {
  const options = { model: "default", messages, temperature: 0, max_tokens: 24 };
  const { data: whole, response } = await client.chat.completions.create(options).withResponse();
  assert.ok(response.headers.get("x-request-id"));
  let text = "", usage;
  const stream = await client.chat.completions.create({
    ...options,
    stream: true,
    stream_options: { include_usage: true },
  });
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
});

test("a user's words shape that user's next answer", async () => {
  const ask = (user, content) =>
    client.chat.completions.create({
      model: "default", user, temperature: 0, max_tokens: 32, messages: [{ role: "user", content }],
    });
  await ask("sam", "I'm vegetarian, by the way");
  const sam = await ask("sam", "What should I cook tonight?");
  const kim = await ask("kim", "What should I cook tonight?");
  assert.notEqual(sam.choices[0].message.content, kim.choices[0].message.content);
  const why = await (await fetch(`${url}/v1/responses/${sam.id}/explanation`)).json();
  assert.equal(why.used.facts[0].text, "I'm vegetarian");
});

test("a stream that is left stops the generation", async () => {
  const stream = await client.chat.completions.create({
    model: "default", stream: true, max_tokens: 400, messages: [{ role: "user", content: "Tell a long story." }],
  });
  for await (const _ of stream) break;
  const answer = await client.chat.completions.create({ model: "default", messages, max_tokens: 4 });
  assert.ok(answer.id);
});

test("structured output holds to its schema", async () => {
  const answer = await client.chat.completions.create({
    model: "default", temperature: 0, max_tokens: 60,
    messages: [{ role: "user", content: "Is the sky blue? Answer as JSON." }],
    response_format: {
      type: "json_schema",
      json_schema: {
        name: "verdict", strict: true,
        schema: {
          type: "object", additionalProperties: false, required: ["verdict"],
          properties: { verdict: { type: "string", enum: ["yes", "no"] } },
        },
      },
    },
  });
  assert.ok(["yes", "no"].includes(JSON.parse(answer.choices[0].message.content).verdict));
});

test("embeddings come as numbers of unit length", async () => {
  const answer = await client.embeddings.create({ model: "all-minilm-l6-v2-f32", input: ["a", "b"] });
  for (const { embedding } of answer.data) {
    assert.equal(embedding.length, 384);
    assert.ok(Math.abs(Math.hypot(...embedding) - 1) < 1e-3);
  }
});

test("errors have their classes, and a request id", async () => {
  await assert.rejects(client.chat.completions.create({ model: "none", messages }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
    assert.ok(error.requestID);
    return true;
  });
  await assert.rejects(
    client.chat.completions.create({ model: "default", messages: [] }),
    (error) => error instanceof OpenAI.BadRequestError && error.param === "messages",
  );
  await assert.rejects(client.models.retrieve("none"), OpenAI.NotFoundError);
});

test("models are listed", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.includes("smollm2-135m-instruct-q8_0"));
});
