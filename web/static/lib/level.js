/** How loud a track is, for a meter. */

/** Measures one audio track until it is closed. */
export class Level {
  #context = new AudioContext();
  #analyser = this.#context.createAnalyser();
  #samples;

  /** @param {MediaStreamTrack} track */
  constructor(track) {
    this.#analyser.fftSize = 512;
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#context.createMediaStreamSource(new MediaStream([track])).connect(this.#analyser);
    // Without a gesture on the page the context may start suspended; the meter then rests at zero.
    void this.#context.resume();
  }

  /** The level now, from 0 (silence, -60 dBFS and below) to 1 (full scale), on a scale of decibels. */
  read() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, sample) => sum + sample * sample, 0) / this.#samples.length;
    const decibels = 10 * Math.log10(power + 1e-12);
    return Math.min(1, Math.max(0, 1 + decibels / 60));
  }

  close() {
    void this.#context.close();
  }
}
