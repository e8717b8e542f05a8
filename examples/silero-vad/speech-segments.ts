// From likelihoods, one a frame, to the beginnings and ends of speech. Arithmetic only.
//
//   silence ──likely──▶ maybe speech ──for minSpeechMs──▶ speech ──unlikely──▶ maybe silence
//      ▲ └───────unlikely────┘                              ▲ └──────likely──────┘   │
//      └────────────────────────────── for minSilenceMs ──────────────────────────────┘

export interface SpeechEvent {
  readonly type: 'speech_start' | 'speech_end'
  /** From the beginning of the recording. */
  readonly ms: number
}

export interface SegmentOptions {
  readonly frameMs: number
  /** At this likelihood speech begins; well below it, it ends, so that a wavering voice is one voice. */
  readonly startAt: number
  readonly endBelow: number
  /** A click is no speech. */
  readonly minSpeechMs: number
  /** A breath is no end. */
  readonly minSilenceMs: number
}

export class SpeechSegments {
  readonly #options: SegmentOptions
  #isSpeech = false
  #heardMs = 0
  /** Since when it has been otherwise than `#isSpeech` says; null while it is not. */
  #otherSinceMs: number | null = null

  constructor(options: SegmentOptions) {
    this.#options = options
  }

  push(likelihood: number): SpeechEvent | null {
    const { frameMs, startAt, endBelow, minSpeechMs, minSilenceMs } = this.#options
    const isOther = this.#isSpeech ? likelihood < endBelow : likelihood >= startAt
    if (isOther) this.#otherSinceMs ??= this.#heardMs
    else if (!this.#isSpeech || likelihood >= startAt) this.#otherSinceMs = null
    this.#heardMs += frameMs
    if (this.#otherSinceMs === null) return null
    const leastMs = this.#isSpeech ? minSilenceMs : minSpeechMs
    return this.#heardMs - this.#otherSinceMs >= leastMs ? this.#turn(this.#otherSinceMs) : null
  }

  /** The recording is over: an end for speech that has none yet. */
  end(): SpeechEvent | null {
    return this.#isSpeech ? this.#turn(this.#otherSinceMs ?? this.#heardMs) : null
  }

  #turn(ms: number): SpeechEvent {
    this.#isSpeech = !this.#isSpeech
    this.#otherSinceMs = null
    return { type: this.#isSpeech ? 'speech_start' : 'speech_end', ms }
  }
}
