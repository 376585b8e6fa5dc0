// Runs Sandboxes with Modal's JS SDK and prints one JSON object of what the test compares.
import { ModalClient } from "modal";

const client = new ModalClient();
const app = await client.apps.fromName("js-boxes", { createIfMissing: true });
const image = client.images.fromRegistry("debian:bookworm-slim");
const volume = await client.volumes.fromName("js-boxes", { createIfMissing: true });
const volumes = { "/data": volume };
const box = await client.sandboxes.create(app, image, { command: ["cat"], volumes });
const other = await client.sandboxes.create(app, image, { volumes });

const command = ["sh", "-c", "echo text > /data/file; cat; echo err >&2; exit 3"];
const process = await box.exec(command);
await process.stdin.writeText("in");
await process.stdin.close();
const list = async () => (await other.exec(["ls", "/data"])).stdout.readText();
const result = {
  printed: await process.stdout.readText(),
  error: await process.stderr.readText(),
  code: await process.wait(),
  before: await list(),
};
await box.reloadVolumes();
await other.reloadVolumes();
result.after = await list();
await box.stdin.writeText("main");
await box.stdin.close();
result.main = await box.stdout.readText();
result.ended = await box.wait();
await other.terminate();
result.killed = await other.wait();
console.log(JSON.stringify(result));
client.close();
