// Does with Modal's JS SDK what the test compares; prints one JSON object.
import { ModalClient } from "modal";

const client = new ModalClient();
const said = async (promise) => {
  try {
    await promise;
    return "no error";
  } catch (error) {
    return `${error.constructor.name}: ${error.message}`;
  }
};

const greet = await client.functions.fromName("for-js", "greet");
const spawned = await greet.spawn(["later"]);
const Counter = await client.cls.fromName("for-js", "Counter");
const counter = (await Counter.instance({ start: 40 })).method("add");
const sizeOf = await client.functions.fromName("for-js", "size_of");
const site = await client.functions.fromName("for-js", "site");
const fail = await client.functions.fromName("for-js", "fail");
const volume = await client.volumes.fromName("from-js", { createIfMissing: true });
const found = await client.volumes.fromName("from-js");

const queue = await client.queues.fromName("for-js", { createIfMissing: true });
await queue.put("from node");
await queue.putMany([1, [true, null], { deep: "é" }]);
await queue.put("apart", { partition: "p" });
const seen = [];
for await (const value of queue.iterate()) seen.push(value);
const counts = [await queue.len(), await queue.len({ partition: "p" }), await queue.len({ total: true })];
const taken = [await queue.get(), ...(await queue.getMany(10))];
const line = await client.queues.ephemeral();
setTimeout(() => line.put("late"), 20);
const late = await line.get();
const unseen = [];
for await (const value of line.iterate({ itemPollTimeoutMs: 20 })) unseen.push(value);

console.log(
  JSON.stringify({
    positional: await greet.remote(["node"]),
    keyword: await greet.remote([], { name: "node", punctuation: "?" }),
    spawned: await spawned.get(),
    counter: [await counter.remote([1]), await counter.remote([1])],
    blob: await sizeOf.remote([new Uint8Array(3 << 20)]),
    failure: await said(fail.remote()),
    site: await (await fetch(await site.getWebUrl())).text(),
    called: await said(site.remote()),
    noProxy: await said(client.proxies.fromName("missing")),
    sameVolume: volume.volumeId === found.volumeId,
    queue: { seen, counts, taken, late, unseen },
    fromPython: await (await client.queues.fromName("from-python")).getMany(5),
    emptyQueue: await said(queue.get({ timeoutMs: 0 })),
    emptyLater: await said(line.getMany(3, { timeoutMs: 20 })),
    noQueue: await said(client.queues.fromName("missing")),
    noVolume: await said(client.volumes.fromName("missing")),
    noSecret: await said(client.secrets.fromName("missing")),
    noKey: await said(client.secrets.fromName("for-js", { requiredKeys: ["OTHER"] })),
    noFunction: await said(client.functions.fromName("for-js", "missing")),
    wrongToken: await said(
      new ModalClient({ tokenId: "ak-wrong", tokenSecret: "as-wrong" }).volumes.fromName("from-js"),
    ),
  }),
);
line.closeEphemeral();
client.close();
