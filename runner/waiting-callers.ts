// Callers that were told BUSY, in the order in which they came. A slot that becomes free is kept for the first
// of them, for a moment: whoever has just been answered is quicker with the next call than one that has to be
// told first, and would take every slot. Owns the timers of the moments.

/** Several round trips. A caller that does not need the slot says so, and the others need not wait for it. */
const KEPT_MS = 50

interface Kept {
  slots: number
  readonly timer: NodeJS.Timeout
}

export class WaitingCallers<Caller> {
  readonly #waiting = new Set<Caller>()
  readonly #kept = new Map<Caller, Kept>()
  #keptSlots = 0
  readonly #onGivenUp: () => void

  /** @param onGivenUp called when slots are kept no longer, and not taken */
  constructor(onGivenUp: () => void) {
    this.#onGivenUp = onGivenUp
  }

  /** Free slots that are not for everybody. */
  get keptSlots(): number {
    return this.#keptSlots
  }

  /** It was told BUSY. */
  add(caller: Caller): void {
    this.#waiting.add(caller)
  }

  /** Whether a slot was kept for this caller; it is not any more. */
  take(caller: Caller): boolean {
    const kept = this.#kept.get(caller)
    if (kept === undefined) return false
    kept.slots--
    this.#keptSlots--
    if (kept.slots === 0) this.#drop(caller, kept)
    return true
  }

  /** It has no more calls for what was kept for it. */
  giveUp(caller: Caller): void {
    const kept = this.#kept.get(caller)
    if (kept === undefined) return
    this.#drop(caller, kept)
    this.#onGivenUp()
  }

  /** It is gone. */
  delete(caller: Caller): void {
    this.#waiting.delete(caller)
    this.giveUp(caller)
  }

  clear(): void {
    this.#waiting.clear()
    for (const [caller, kept] of this.#kept) this.#drop(caller, kept)
  }

  /**
   * Keeps what is free for those that wait, the first ones first, and calls `tell` with each and the number of
   * its slots. They wait no longer.
   */
  share(freeSlots: number, tell: (caller: Caller, slots: number) => void): void {
    let left = freeSlots - this.#keptSlots
    for (const caller of this.#waiting) {
      if (left <= 0) return
      const slots = Math.ceil(left / this.#waiting.size)
      left -= slots
      this.#waiting.delete(caller)
      this.#keep(caller, slots)
      tell(caller, slots)
    }
  }

  #keep(caller: Caller, slots: number): void {
    const before = this.#kept.get(caller)
    if (before !== undefined) this.#drop(caller, before)
    const timer = setTimeout(() => this.giveUp(caller), KEPT_MS)
    this.#kept.set(caller, { slots, timer })
    this.#keptSlots += slots
  }

  #drop(caller: Caller, { slots, timer }: Kept): void {
    clearTimeout(timer)
    this.#kept.delete(caller)
    this.#keptSlots -= slots
  }
}
