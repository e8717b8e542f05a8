// A body whose pieces are made without ever waiting for anything is made by promises alone, and they never
// let the event loop go on: the process would do nothing else meanwhile, neither send what was written, nor
// begin another answer, nor hear that its client has left. So a body ends its turn now and then.

import { performance } from 'node:perf_hooks'

/** Pieces that are quickly made leave together, so many of one body. */
const PIECES_A_TURN = 32
/** What took longer than this leaves before more is made: for each of the bodies that share the turn, */
const TURN_MS_A_BODY = 2
/** but however many they are, no longer than this. */
const MAX_TURN_MS = 100

/** That are being sent. */
let bodies = 0
let next: Promise<void> | null = null

/** Of one body, from before its first piece is made. */
export class TurnTaker {
  readonly #nowMs: () => number
  #pieces = 0
  #sinceMs: number

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
    this.#sinceMs = nowMs()
    bodies++
  }

  /** A piece was written. Null when the next may be made at once. */
  afterPiece(): Promise<void> | null {
    const pieces = ++this.#pieces
    // The clock is looked at after 1, 2, 4, 8 and 16 of them: it costs as much as a small piece.
    const isOver =
      pieces === PIECES_A_TURN || ((pieces & (pieces - 1)) === 0 && this.#isTimeSpent())
    return isOver ? this.#waitForTurn() : null
  }

  /** No more pieces will follow. */
  end(): void {
    bodies--
  }

  #isTimeSpent(): boolean {
    const turnMs = Math.min(bodies * TURN_MS_A_BODY, MAX_TURN_MS)
    return this.#nowMs() - this.#sinceMs > turnMs
  }

  async #waitForTurn(): Promise<void> {
    await nextTurn()
    this.#pieces = 0
    this.#sinceMs = this.#nowMs()
  }
}

/** Resolves in the next turn of the event loop. All who wait for it share one promise. */
function nextTurn(): Promise<void> {
  next ??= new Promise((resolve) => {
    setImmediate(() => {
      next = null
      resolve()
    })
  })
  return next
}
