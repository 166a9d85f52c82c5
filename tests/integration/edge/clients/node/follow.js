// Follows one user's events over lost connections, and prints each frame as a line.
//
// Run: node follow.js URL   (with everything but the position)

import WebSocket from "ws";

const [url] = process.argv.slice(2);
let position = "";

function connect() {
  const socket = new WebSocket(url + (position && `&resume=${position}`));
  socket.on("message", (data) => {
    const frame = JSON.parse(data);
    if (frame.type === "hello" && !(position && frame.recovered)) position = `${frame.epoch}-${frame.seq}`;
    if (frame.id) position = frame.id;
    console.log(JSON.stringify(frame));
  });
  socket.on("error", () => {}); // it is closed next
  socket.on("close", () => setTimeout(connect, 50));
}

connect();
