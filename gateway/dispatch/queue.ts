// Calls of one function that wait for a slot: fair between principals, first come first served within
// one. A principal with a thousand waiting calls delays another's first one by at most one call.

export class FairQueue<T> {
  /** A line for each principal with waiting calls; the principal at the front of the map is next. */
  readonly #lines = new Map<string, Set<T>>()
  /** Taken out before and come back because their runner was full: served before everybody. */
  readonly #returned = new Set<T>()
  #length = 0

  get length(): number {
    return this.#length
  }

  push(item: T, principal: string): void {
    const line = this.#lines.get(principal)
    if (line === undefined) this.#lines.set(principal, new Set([item]))
    else line.add(item)
    this.#length++
  }

  pushBack(item: T): void {
    this.#returned.add(item)
    this.#length++
  }

  /** Takes the next one out, or returns undefined. */
  shift(): T | undefined {
    for (const item of this.#returned) {
      this.#returned.delete(item)
      this.#length--
      return item
    }
    for (const [principal, line] of this.#lines) {
      // To the end of the order, unless this was the principal's last.
      this.#lines.delete(principal)
      if (line.size > 1) this.#lines.set(principal, line)
      for (const item of line) {
        line.delete(item)
        this.#length--
        return item
      }
    }
    return undefined
  }

  /** Takes `item` out wherever it waits; false when it does not. */
  remove(item: T, principal: string): boolean {
    const line = this.#lines.get(principal)
    if (line?.delete(item)) {
      if (line.size === 0) this.#lines.delete(principal)
    } else if (!this.#returned.delete(item)) return false
    this.#length--
    return true
  }
}
