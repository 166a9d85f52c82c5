// The usual edge on Node: `ws`, one Redis channel, a map of sockets per user, no history.
//
// Run: node edge.js PORT REDIS_URL SECRET

import { createHmac, timingSafeEqual } from "node:crypto";
import { Redis } from "ioredis";
import { WebSocketServer } from "ws";

const [port, redisUrl, secret] = process.argv.slice(2);
const sockets = new Map();

function userOf(token) {
  const [header, claims, signature] = token.split(".");
  const wanted = createHmac("sha256", secret).update(`${header}.${claims}`).digest();
  if (!timingSafeEqual(wanted, Buffer.from(signature, "base64url"))) throw new Error("forged");
  return Number(JSON.parse(Buffer.from(claims, "base64url")).sub);
}

const server = new WebSocketServer({ port: Number(port), host: "127.0.0.1", backlog: 2048, perMessageDeflate: false });
server.on("connection", (socket, request) => {
  const user = userOf(new URL(request.url, "http://edge").searchParams.get("token"));
  if (!sockets.has(user)) sockets.set(user, new Set());
  sockets.get(user).add(socket);
  socket.on("close", () => sockets.get(user).delete(socket));
  socket.send('{"type":"hello"}');
});

const redis = new Redis(redisUrl);
redis.on("message", (_, text) => {
  const event = JSON.parse(text);
  const frame = JSON.stringify(event);
  for (const socket of sockets.get(event.user_id) ?? []) socket.send(frame);
});
await redis.subscribe("pubsub:notifications");
