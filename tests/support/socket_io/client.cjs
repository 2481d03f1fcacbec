// npm's Socket.IO client, driven line by line: commands in JSON on standard input, what happens on standard
// output. ["connect", url, options], ["send", event, data], ["drop"] (the network), ["close"].
const { createInterface } = require("node:readline");
const { io } = require("socket.io-client");

const say = (...words) => console.log(JSON.stringify(words));
let socket;

const commands = {
  connect(url, options) {
    socket = io(url, { reconnectionDelay: 100, reconnectionDelayMax: 200, ...options });
    socket.on("connect", () => say("connect", socket.io.engine.transport.name));
    socket.on("connect_error", (error) => say("connect_error", error.message, error.data ?? null));
    socket.on("disconnect", (reason) => say("disconnect", reason));
    socket.onAny((event, data) => say("event", event, data));
  },
  send(event, data) {
    socket.emit(event, data, (answer) => say("answer", answer));
  },
  drop() {
    socket.io.engine.close();
  },
  close() {
    socket?.close();
    process.exit(0);
  },
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [command, ...words] = JSON.parse(line);
    commands[command](...words);
  })
  .on("close", commands.close);
