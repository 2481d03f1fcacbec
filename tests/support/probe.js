// Runs in every page of a driven browser before the page's own scripts: eyes and ears for the tests.
// It changes nothing the page does; where a browser has no camera file, `camera` gives it one.
(settings) => {
  const connections = [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...options) {
      super(...options);
      connections.push(this);
    }
  };

  // Exceptions that nobody catches, told alike in every browser.
  const tell = (error) => console.error(`${settings.uncaught}${error} ${error?.stack ?? ""}`);
  addEventListener("error", ({ error, message }) => tell(error ?? message));
  addEventListener("unhandledrejection", ({ reason }) => tell(reason));

  // The mean colour of the middle of a playing video as [r, g, b], or null while there is no picture.
  function colour(video) {
    if (!video || video.readyState < 2 || !video.videoWidth) return null;
    const canvas = Object.assign(document.createElement("canvas"), { width: 32, height: 18 });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(video, 0, 0, 32, 18);
    const { data } = context.getImageData(12, 6, 8, 6);
    const mean = [0, 0, 0];
    for (let at = 0; at < data.length; at += 4) for (let c = 0; c < 3; c++) mean[c] += data[at + c];
    return mean.map((sum) => Math.round(sum / (data.length / 4)));
  }

  // The colour of the next picture of a video, or null if none comes soon: a frozen video shows nobody.
  async function live(video, patienceMs = 700) {
    const timely = await new Promise((resolve) => {
      video.requestVideoFrameCallback(() => resolve(true));
      setTimeout(() => resolve(false), patienceMs);
    });
    return timely ? colour(video) : null;
  }

  // Records a stream and decodes the record, which needs no sound device (an AudioContext does, in Firefox).
  async function record(stream, ms) {
    const recorder = new MediaRecorder(new MediaStream(stream.getAudioTracks()));
    const chunks = [];
    recorder.ondataavailable = ({ data }) => chunks.push(data);
    const stopped = new Promise((resolve) => (recorder.onstop = resolve));
    recorder.start();
    setTimeout(() => recorder.state === "recording" && recorder.stop(), ms);
    await stopped;
    const bytes = await new Blob(chunks).arrayBuffer();
    if (!bytes.byteLength) return new Float32Array(0);
    const decoded = await new OfflineAudioContext(1, 1, 48000).decodeAudioData(bytes);
    return decoded.getChannelData(0);
  }

  // The share of a block's energy at one frequency (Goertzel), from 0 to about 1.
  function share(block, frequency) {
    const factor = 2 * Math.cos((2 * Math.PI * frequency) / 48000);
    let [last, before, energy] = [0, 0, 0];
    for (const sample of block) {
      [last, before] = [sample + factor * last - before, last];
      energy += sample * sample;
    }
    if (energy / block.length < 1e-5) return 0;
    return (2 * (last * last + before * before - factor * last * before)) / (energy * block.length);
  }

  // Which of the frequencies in Hz are heard in the stream: each that fills most of some 40 ms block.
  async function tones(stream, frequencies, ms = 600) {
    const sound = await record(stream, ms);
    const size = 1920;
    const heard = new Set();
    for (let at = 0; at + size <= sound.length; at += size) {
      const block = sound.subarray(at, at + size);
      for (const frequency of frequencies) if (share(block, frequency) > 0.6) heard.add(frequency);
    }
    return [...heard];
  }

  // From the next click on the button: when the first picture was decoded and the first sound heard in
  // each receiver, in seconds, as soon as there are `count` of both.
  function arrivals(selector, count) {
    return new Promise((resolve) => {
      const watch = async ({ timeStamp: clickedAt }) => {
        const [seen, heard] = [new Map(), new Map()];
        while (seen.size < count || heard.size < count) {
          for (const connection of connections) {
            for (const report of (await connection.getStats()).values()) {
              if (report.type !== "inbound-rtp") continue;
              const [firsts, here] =
                report.kind === "video" ? [seen, report.framesDecoded > 0] : [heard, report.totalAudioEnergy > 1e-4];
              if (here && !firsts.has(report.id)) firsts.set(report.id, (performance.now() - clickedAt) / 1000);
            }
          }
          await new Promise((next) => setTimeout(next, 10));
        }
        resolve({ seen: [...seen.values()], heard: [...heard.values()] });
      };
      document.querySelector(selector).addEventListener("click", watch, { capture: true, once: true });
    });
  }

  // The way to the node that is in use, or null: whether it goes through a relay, the protocol (that to the
  // relay, if it does), and the address of its end. Firefox marks the pair, Chromium names it.
  async function route() {
    const stats = await connections.at(-1).getStats();
    const all = [...stats.values()];
    const named = all.find(({ selectedCandidatePairId }) => selectedCandidatePairId);
    const pair = named ? stats.get(named.selectedCandidatePairId) : all.find(({ selected }) => selected);
    if (!pair) return null;
    const near = stats.get(pair.localCandidateId);
    const relayed = near.candidateType === "relay";
    const protocol = near.relayProtocol || near.protocol;
    return { relayed, protocol, to: stats.get(pair.remoteCandidateId).address };
  }

  // Why a click in the middle of the element would not reach it; "" if it would.
  function obstacle(selector) {
    const element = document.querySelector(selector);
    if (!element) return "is not there";
    if (element.disabled) return "is disabled";
    element.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
    const box = element.getBoundingClientRect();
    if (!box.width || !box.height || !element.checkVisibility()) return "is not visible";
    const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    if (!element.contains(hit)) return `is covered by ${hit?.outerHTML.slice(0, 200)}`;
    return "";
  }

  // A camera of one colour instead of the browser's own: its track is that of a canvas.
  function camera({ rgb, width, height, framesPerSecond }) {
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (constraints) => {
      const stream = await open(constraints);
      for (const real of stream.getVideoTracks()) {
        const canvas = Object.assign(document.createElement("canvas"), { width, height });
        const context = canvas.getContext("2d");
        let step = 0;
        const draw = () => {
          context.fillStyle = `rgb(${rgb})`;
          context.fillRect(0, 0, width, height);
          context.fillStyle = "white";
          context.fillRect((step++ * 8) % (width - 32), height - 32, 32, 32);
        };
        draw();
        const painted = canvas.captureStream(framesPerSecond).getVideoTracks()[0];
        const timer = setInterval(draw, 1000 / framesPerSecond);
        const stop = painted.stop.bind(painted);
        painted.stop = () => {
          clearInterval(timer);
          real.stop();
          stop();
        };
        const realSettings = real.getSettings();
        painted.getSettings = () => ({ ...realSettings, width, height, frameRate: framesPerSecond });
        stream.removeTrack(real);
        stream.addTrack(painted);
      }
      return stream;
    };
  }

  if (settings.camera && navigator.mediaDevices) camera(settings.camera);
  window.probe = { connections, colour, live, tones, arrivals, route, obstacle };
}
