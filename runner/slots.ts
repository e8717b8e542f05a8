// The slots of one runner. A slot comes back only through the hold that took it, once, when its call has
// settled. A hold that does not settle in time is poisoned: it lowers the capacity for all to see, and is
// good again only if its call settles after all, for then it is known to be idle.

export interface SlotHold {
  /** The call has settled. Idempotent. */
  release(): void
  /** Nobody knows whether the call will ever settle. */
  poison(): void
}

type HoldState = 'taken' | 'poisoned' | 'released'

export class Slots {
  readonly #size: number
  #taken = 0
  #poisoned = 0
  readonly #onChange: () => void

  /** @param onChange called after every release and poisoning */
  constructor(size: number, onChange: () => void) {
    this.#size = size
    this.#onChange = onChange
  }

  /** Slots that are not poisoned. */
  get healthy(): number {
    return this.#size - this.#poisoned
  }

  get free(): number {
    return this.healthy - this.#taken
  }

  /** A hold, or null when no slot is free. */
  take(): SlotHold | null {
    if (this.free <= 0) return null
    this.#taken++
    let state: HoldState = 'taken'
    return {
      release: () => {
        if (state === 'released') return
        if (state === 'taken') this.#taken--
        else this.#poisoned--
        state = 'released'
        this.#onChange()
      },
      poison: () => {
        if (state !== 'taken') return
        state = 'poisoned'
        this.#taken--
        this.#poisoned++
        this.#onChange()
      },
    }
  }
}
