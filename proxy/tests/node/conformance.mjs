// The Vercel AI SDK before every kind of upstream, through the gateway.
//
//   TOOLS=FOLDER node conformance.mjs BASE KEY UPSTREAMS_JSON [--only PLACE]
//
// TOOLS is the folder whose node_modules `cargo xtask setup` has filled, BASE the gateway's root,
// UPSTREAMS_JSON its model for each kind of upstream, all before upstreams.py, whose answers
// are expected here. Each check prints one JSON line: {client, upstream, check, result, message}.
// `result` is "passed", or "refused" where the gateway says that the target cannot be asked for
// it (400, `lattice.code` caller_unsupported); anything else is "FAILED", and exits with 1.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.TOOLS, "package.json"));
const { APICallError, embed, embedMany, generateObject, generateText, Output, stepCountIs, streamText, tool } = require("ai");
const { createAnthropic } = require("@ai-sdk/anthropic");
const { createGoogleGenerativeAI } = require("@ai-sdk/google");
const { createOpenAI } = require("@ai-sdk/openai");
const { z } = require("zod");

globalThis.AI_SDK_LOG_WARNINGS = false;

const arguments_ = process.argv.slice(2);
const flag = arguments_.indexOf("--only");
const only = flag < 0 ? "" : arguments_.splice(flag, 2)[1];
const [base, apiKey, upstreams] = arguments_;

const openai = createOpenAI({ baseURL: `${base}/v1`, apiKey });
const anthropic = createAnthropic({ baseURL: `${base}/v1`, apiKey });
const google = createGoogleGenerativeAI({ baseURL: `${base}/v1beta`, apiKey });

// How each is told to think, and to hold to a schema: the SDK goes by names of models that it
// knows, and ours are not among them.
const anthropicOptions = { structuredOutputMode: "outputFormat" };
const CLIENTS = {
  "openai responses": {
    model: (name) => openai(name),
    // Nothing is stored here, so thoughts are asked for in full.
    thinking: { openai: { forceReasoning: true, reasoningEffort: "medium", reasoningSummary: "auto", store: false, include: ["reasoning.encrypted_content"] } },
    options: { openai: { store: false } },
  },
  "openai chat": {
    model: (name) => openai.chat(name),
    thinking: { openai: { forceReasoning: true, reasoningEffort: "medium" } },
    options: {},
    // It has no place for thoughts.
    thoughtless: true,
  },
  anthropic: {
    model: (name) => anthropic(name),
    thinking: { anthropic: { ...anthropicOptions, thinking: { type: "adaptive" }, effort: "medium" } },
    options: { anthropic: anthropicOptions },
  },
  google: {
    model: (name) => google(name),
    thinking: { google: { thinkingConfig: { includeThoughts: true, thinkingLevel: "medium" } } },
    options: {},
  },
};

// What wires/scenario.py answers.
const SENTENCE = "Grüße aus Łódź: naïve 数据, שלום — and a duck 🦆 beside an astronaut 👩‍🚀.";
const ANSWER = "Having thought about it, I say forty-two.";
const THOUGHT = "First I weigh the question — 思考 — and only then I speak.";
const UNSHOWN = "My thoughts stay with me. ";
const REJECTED = "lattice-mock: this model does not care for that question";
const COUNTERS = { input: 1011, cached: 307, output: 97, reasoning: 41 };
const PIXEL = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=", "base64");
const VALUE = "city: Zürich ☂";

const tools = () => ({
  weather: tool({
    description: "The weather of a city",
    inputSchema: z.object({ city: z.string(), days: z.number().int() }),
    execute: async ({ city, days }) => `15 °C in ${city} for ${days} days`,
  }),
  clock: tool({
    description: "The time in a city",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `12:00 in ${city}`,
  }),
});

// What a stream came to, as an awaited object; the SDK puts errors into the stream.
async function streamed(options) {
  const result = streamText({ ...options, onError: () => {} });
  let deltas = "";
  for await (const part of result.fullStream) {
    if (part.type === "error") throw part.error instanceof Error ? part.error : new Error(`error part: ${JSON.stringify(part.error)}`);
    if (part.type === "text-delta") deltas += part.text;
  }
  const [text, reasoningText, steps, usage, finishReason] = await Promise.all([result.text, result.reasoningText, result.steps, result.usage, result.finishReason]);
  assert.equal(steps.map((step) => step.text).join(""), deltas, "the pieces are not the text");
  return { text, reasoningText, steps, usage, finishReason };
}

const FORMS = [generateText, streamed];

function asks(client, model, prompt, more = {}) {
  return { model: client.model(model), prompt, maxRetries: 0, providerOptions: client.options, ...more };
}

// A call or two, run by the SDK itself, and the answer that quotes what they returned.
async function called(client, model, marker, expected, more = {}) {
  for (const form of FORMS) {
    const { steps, text, finishReason } = await form(asks(client, model, `${marker} How is it there?`, { tools: tools(), stopWhen: stepCountIs(3), ...more }));
    assert.deepEqual(steps.map((step) => step.finishReason), ["tool-calls", "stop"]);
    assert.deepEqual(steps[0].toolCalls.map((call) => call.toolName), expected);
    assert.deepEqual(steps[0].toolCalls[0].input, { city: VALUE, days: 7 });
    assert.equal(finishReason, "stop");
    const said = { weather: `weather -> `, clock: `clock -> ` };
    for (const name of expected) assert.ok(text.includes(said[name]), text);
    assert.ok(text.includes(`15 °C in ${VALUE} for 7 days`), text);
  }
}

async function fails(promise) {
  try {
    const { text } = await promise;
    assert.fail(`ends as if all were well: ${JSON.stringify(text)}`);
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    return error;
  }
}

const CHECKS = {
  text: async (client, model) => {
    for (const form of FORMS) {
      const { text, finishReason } = await form(asks(client, model, "[text] Say something.", { system: "Be brief." }));
      assert.deepEqual([text, finishReason], [SENTENCE, "stop"]);
    }
  },
  tools: (client, model) => called(client, model, "[tools]", ["weather"]),
  "parallel tools": (client, model) => called(client, model, "[parallel]", ["weather", "clock"]),
  image: async (client, model) => {
    const content = [{ type: "text", text: "[image] What is it?" }, { type: "image", image: PIXEL, mediaType: "image/png" }];
    const digest = createHash("sha256").update(PIXEL).digest("hex").slice(0, 16);
    for (const form of FORMS) {
      const { text } = await form(asks(client, model, undefined, { messages: [{ role: "user", content }] }));
      assert.equal(text, `image/png, ${PIXEL.length} bytes, ${digest}`);
    }
  },
  "JSON schema": async (client, model) => {
    const schema = z.object({ city: z.string(), population: z.number().int() });
    const { object } = await generateObject(asks(client, model, "[schema] Which city?", { schema }));
    assert.deepEqual(object, { city: VALUE, population: 7 });
    const { output } = await generateText(asks(client, model, "[schema] Which city?", { output: Output.object({ schema }) }));
    assert.deepEqual(output, { city: VALUE, population: 7 });
  },
  thinking: async (client, model, upstream) => {
    for (const form of FORMS) {
      const { text, reasoningText } = await form(asks(client, model, "[thinking] What is the answer?", { providerOptions: client.thinking }));
      assert.equal(text.replace(UNSHOWN, ""), ANSWER);
      if (!client.thoughtless && !text.startsWith(UNSHOWN)) assert.equal(reasoningText, THOUGHT, upstream);
    }
  },
  // The second step gives the signed thoughts back, as the SDK keeps them.
  "thinking with tools": (client, model) => called(client, model, "[thinking]", ["weather"], { providerOptions: client.thinking }),
  usage: async (client, model, upstream) => {
    for (const form of FORMS) {
      const { usage } = await form(asks(client, model, "[usage] Count."));
      const { inputTokenDetails, outputTokenDetails } = usage;
      const reasons = upstream !== "compatible" && client !== CLIENTS.anthropic;
      // The SDK leaves out what Gemini counts apart for its tools.
      const input = client === CLIENTS.google && upstream === "gemini" ? 1001 : 1011;
      assert.deepEqual(
        { input: usage.inputTokens, cached: inputTokenDetails.cacheReadTokens, output: usage.outputTokens, reasoning: reasons ? outputTokenDetails.reasoningTokens : 41 },
        { ...COUNTERS, input },
      );
    }
  },
  error: async (client, model) => {
    for (const form of FORMS) {
      const error = await fails(form(asks(client, model, "[error] Anything.")));
      refusedBy(error);
      assert.ok(APICallError.isInstance(error), String(error));
      assert.equal(error.statusCode, 400);
      assert.ok(error.message.includes(REJECTED), error.message);
      const busy = await fails(form(asks(client, model, "[overloaded] Anything.")));
      assert.ok([429, 503, 529].includes(busy.statusCode) && busy.isRetryable, String(busy));
    }
  },
  "cut stream": async (client, model) => {
    for (const marker of ["[cut]", "[midstream]"]) {
      for (const form of FORMS) refusedBy(await fails(form(asks(client, model, `${marker} Anything.`))));
    }
  },
};

const EMBEDDINGS = {
  "openai responses": (model) => openai.embedding(model),
  google: (model) => google.embedding(model),
};

// As wires/vectors.py has it.
function vector(text) {
  const json = JSON.stringify(text).replace(/[^\x00-\x7f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return [...createHash("sha256").update(json).digest().subarray(0, 8)].map((byte) => (byte - 128) / 128);
}

// One text takes another route than several at Google.
const EMBEDS = {
  embed: async (model, texts) => [(await embed({ model, value: texts[0], maxRetries: 0 })).embedding],
  embedMany: async (model, texts) => (await embedMany({ model, values: texts, maxRetries: 0 })).embeddings,
};

async function embedded(run, model) {
  const texts = ["Zażółć gęślą jaźń", "two words"];
  (await run(model, texts)).forEach((found, index) => {
    const expected = vector(texts[index]);
    assert.equal(found.length, expected.length);
    found.forEach((value, place) => assert.ok(Math.abs(value - expected[place]) < 1e-6, `${found} is not ${expected}`));
  });
}

class Refused extends Error {}

// Throws `Refused` for the gateway's own refusal of what the target cannot be asked for.
function refusedBy(error) {
  if (!APICallError.isInstance(error) || error.statusCode !== 400) return;
  let body = {};
  try {
    body = JSON.parse(error.responseBody);
  } catch {
    return;
  }
  const lattice = body?.lattice ?? body?.error?.lattice;
  if (lattice?.code === "caller_unsupported") throw new Refused(body.error?.message ?? error.message);
}

async function outcome(check) {
  try {
    try {
      await check();
    } catch (error) {
      refusedBy(error);
      throw error;
    }
    return { result: "passed" };
  } catch (error) {
    if (error instanceof Refused) return { result: "refused", message: error.message };
    const status = APICallError.isInstance(error) ? ` ${error.statusCode}: ${error.responseBody}` : "";
    return { result: "FAILED", message: `${error?.name}: ${error?.message}${status}` };
  }
}

let failed = false;
for (const [client, settings] of Object.entries(CLIENTS)) {
  for (const [upstream, model] of Object.entries(JSON.parse(upstreams))) {
    const checks = Object.entries(CHECKS).map(([name, check]) => [name, () => check(settings, model, upstream)]);
    const embedding = upstream !== "anthropic" && EMBEDDINGS[client];
    if (embedding) for (const [name, run] of Object.entries(EMBEDS)) checks.push([name, () => embedded(run, embedding(model))]);
    for (const [check, run] of checks) {
      if (!`${client} ${upstream} ${check}`.startsWith(only)) continue;
      const found = await outcome(run);
      failed ||= found.result === "FAILED";
      console.log(JSON.stringify({ client, upstream, check, ...found }));
    }
  }
}
process.exitCode = failed ? 1 : 0;
