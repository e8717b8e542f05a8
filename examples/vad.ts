// Hears when somebody speaks: PCM in (16 kHz, mono, signed 16-bit, little-endian), events out as JSON:
// {"type":"speech_start","ms":544}, {"type":"speech_end","ms":1600}. The message {"type":"end"} ends the
// recording. The parts are in `silero-vad/`.

import { setImmediate } from 'node:timers/promises'
import { type CallSocket, defineFunction, PublicError } from 'callgate'
import {
  FRAME_SAMPLES,
  type Listener,
  SAMPLE_RATE,
  SileroModel,
} from './silero-vad/silero-model.js'
import { type SpeechEvent, SpeechSegments } from './silero-vad/speech-segments.js'

const BYTES_PER_SAMPLE = 2
const SEGMENTS = {
  frameMs: (FRAME_SAMPLES / SAMPLE_RATE) * 1000,
  startAt: 0.5,
  endBelow: 0.35,
  minSpeechMs: 96,
  minSilenceMs: 320,
}

export default defineFunction({
  route: 'WS /vad',
  maxInputs: 100,
  maxMessageBytes: 1024 * 1024,
  load: () => SileroModel.open(),
  async socket(socket, { model, signal }) {
    const recording = new Recording(model.listener())
    for await (const message of socket) {
      if (signal.aborted) return
      if (typeof message === 'string') {
        checkEnd(message)
        await tell(socket, recording.end())
        return
      }
      for await (const event of recording.hear(message)) await tell(socket, event)
    }
  },
})

/** One connection's sound, cut into frames. */
class Recording {
  readonly #listener: Listener
  readonly #segments = new SpeechSegments(SEGMENTS)
  readonly #frame = new Float32Array(FRAME_SAMPLES)
  #filled = 0

  constructor(listener: Listener) {
    this.#listener = listener
  }

  async *hear(pcm: Uint8Array): AsyncGenerator<SpeechEvent> {
    if (pcm.length % BYTES_PER_SAMPLE !== 0) {
      throw new PublicError(
        'invalid_input',
        `Send whole samples of ${BYTES_PER_SAMPLE} bytes; this message has ${pcm.length}.`,
      )
    }
    const samples = new DataView(pcm.buffer, pcm.byteOffset, pcm.byteLength)
    for (let at = 0; at < pcm.length; at += BYTES_PER_SAMPLE) {
      this.#frame[this.#filled++] = samples.getInt16(at, true) / 32_768
      if (this.#filled < FRAME_SAMPLES) continue
      this.#filled = 0
      const event = this.#segments.push(await this.#listener.hear(this.#frame))
      if (event !== null) yield event
      // A message may hold half a minute: the runner's other connections get their turn in between.
      await setImmediate()
    }
  }

  /** What is left is less than a frame, and too short to matter. */
  end(): SpeechEvent | null {
    return this.#segments.end()
  }
}

async function tell(socket: CallSocket, event: SpeechEvent | null): Promise<void> {
  if (event !== null) await socket.send(JSON.stringify(event))
}

function checkEnd(text: string): void {
  if (/^\s*\{\s*"type"\s*:\s*"end"\s*\}\s*$/.test(text)) return
  throw new PublicError(
    'invalid_input',
    'Send sound as binary messages, and {"type":"end"} behind the last one.',
  )
}
