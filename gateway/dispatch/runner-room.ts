// How many calls a runner may be given, from what it has said of its slots: BUSY, FREE and announcements.
// Other callers take them as well, so none of it is known for long, and a faulty runner may say anything.
// Pure: it is told what happens, and when.

/** BUSYs in a row after which an announcement is believed for one call at a time. */
const MAX_BUSY_IN_A_ROW = 8
/** FREEs in a row, each followed by BUSY, after which they are not believed at once. */
const MAX_FALSE_FREES = 8
/** How often it is tried then, at most: another caller may be quicker than we are for a while. */
const PAUSE_MS = 100
/** Announcements in a row with free slots, each followed by BUSY, after which they are not believed. */
const MAX_FALSE_ANNOUNCEMENTS = 10

export class RunnerRoom {
  /** It has said BUSY, and since then neither FREE nor that it has free slots. */
  #isFull = false
  /** Calls that it may have at once: those that it had when it said BUSY, and the slots heard of since. */
  #most = Number.POSITIVE_INFINITY
  #busyInARow = 0
  #lastBusyMs = 0
  /** The one call that an announcement is believed for after too many BUSYs; 0: none. */
  #probeId = 0
  /** Slots that it keeps for us, of its last FREE. */
  #kept = 0
  /** The first call that was given after the last FREE; 0: none yet, or it has been answered. */
  #firstOfFreeId = 0
  #awaitsFirst = false
  #falseFrees = 0
  /** It has announced free slots, and no BUSY has followed yet. */
  #isBelieved = false
  #falseAnnouncements = 0

  /** Whether it may be given another call, beside `inFlight`. */
  isThere(inFlight: number): boolean {
    return !this.#isFull && this.#probeId === 0 && inFlight < this.#most
  }

  /** A single call is under way, to see whether it takes it. */
  get isProbed(): boolean {
    return this.#probeId !== 0
  }

  /** Slots of its last FREE that no call has been given for. They are given up with this. */
  takeUnused(): number {
    const unused = this.#kept
    this.#kept = 0
    return unused
  }

  onGiven(id: number): void {
    if (this.#awaitsFirst) {
      this.#awaitsFirst = false
      this.#firstOfFreeId = id
    }
    if (this.#kept > 0) this.#kept--
    else if (this.#busyInARow >= MAX_BUSY_IN_A_ROW) this.#probeId = id
  }

  onEnded(id: number): void {
    if (id === this.#probeId) this.#probeId = 0
  }

  /** @param inFlight calls that it has without this one */
  onBusy(id: number, inFlight: number, nowMs: number): void {
    this.#isFull = true
    this.#most = inFlight
    this.#kept = 0
    this.#busyInARow++
    this.#lastBusyMs = nowMs
    if (id === this.#firstOfFreeId) this.#falseFrees++
  }

  /**
   * It keeps slots for us.
   * @returns null where that is believed: calls may be given; otherwise after how many milliseconds to tell it
   * again, as one that says FREE and BUSY in turns would be sent calls without end
   */
  onFree(slots: number, inFlight: number, nowMs: number): number | null {
    const waitMs = this.#lastBusyMs + PAUSE_MS - nowMs
    if (this.#falseFrees >= MAX_FALSE_FREES && waitMs > 0) return waitMs
    this.#isFull = false
    this.#awaitsFirst = true
    this.#firstOfFreeId = 0
    this.#kept = slots
    // One more than that: by its BUSY we wait again, and are told of the next slot.
    this.#most = inFlight + slots + 1
    return null
  }

  /** It has said something to a call. True when it may be given more than before. */
  onAnswer(): boolean {
    this.#firstOfFreeId = 0
    this.#falseFrees = 0
    if (this.#busyInARow === 0) return false
    this.#busyInARow = 0
    this.#falseAnnouncements = 0
    const wasProbed = this.#probeId !== 0
    this.#probeId = 0
    return wasProbed
  }

  /** It has announced free slots: a FREE can be lost with a connection. Returns why it is to be isolated. */
  onFreeSlots(slots: number, inFlight: number, nowMs: number): string | null {
    let reason: string | null = null
    // Another caller may have been quicker, once or twice.
    if (this.#isFull && this.#isBelieved) {
      this.#isBelieved = false
      this.#falseAnnouncements++
      if (this.#falseAnnouncements >= MAX_FALSE_ANNOUNCEMENTS) {
        reason = 'it announces free slots and says BUSY to every call'
      }
    }
    this.#most = Math.max(this.#most, inFlight + slots)
    if (this.#busyInARow < MAX_BUSY_IN_A_ROW || nowMs - this.#lastBusyMs >= PAUSE_MS) {
      this.#isFull = false
      this.#isBelieved = true
    }
    return reason
  }

  /** Nothing is held against it any more. */
  forgive(): void {
    this.#falseAnnouncements = 0
  }
}
