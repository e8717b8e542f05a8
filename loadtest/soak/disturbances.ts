// What was done to the system, and when: a call that failed must have one of these to blame.

export type Disturbance =
  | 'runner killed'
  | 'runner stopped'
  | 'gateway restarted'
  | 'gateway killed'
  | 'nats-server killed'

interface Episode {
  readonly kind: Disturbance
  readonly fromMs: number
  /** Infinite until it is over. */
  untilMs: number
}

/**
 * For what follows from it: connections that are made again, announcements, a PING a second; and of a
 * gateway that is gone a slow reader reads what the kernels hold for as much as seven seconds.
 */
const AFTERMATH_MS = 8_000

export class Disturbances {
  readonly #episodes: Episode[] = []

  /** It begins; call what is returned when it is over. */
  begin(kind: Disturbance): () => void {
    const episode: Episode = { kind, fromMs: performance.now(), untilMs: Number.POSITIVE_INFINITY }
    this.#episodes.push(episode)
    return () => {
      episode.untilMs = performance.now() + AFTERMATH_MS
    }
  }

  /** Whether one of these had happened while a call was there. */
  explain(kinds: readonly Disturbance[], fromMs: number, untilMs: number): boolean {
    return this.#episodes.some(
      (episode) =>
        kinds.includes(episode.kind) && episode.fromMs <= untilMs && episode.untilMs >= fromMs,
    )
  }

  /** The last of them, for a reader who looks for the cause of something. */
  get last(): string {
    const episode = this.#episodes.at(-1)
    if (episode === undefined) return 'nothing had happened yet'
    return `${episode.kind} ${(performance.now() - episode.fromMs).toFixed(0)} ms before`
  }

  get counts(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const { kind } of this.#episodes) counts[kind] = (counts[kind] ?? 0) + 1
    return counts
  }
}
