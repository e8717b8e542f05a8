// Values by an id that counts up, of which thousands come and go every second: a Map would cost the
// collector dear, see `live-list.ts`. An id has the slot of its last digits. Where another one is still
// there, there are more slots; or a Map takes it, for few live so long.

const FEWEST_SLOTS = 32
const MOST_SLOTS = 32_768
const FREE = -1

export class IdMap<T> {
  #ids = new Array<number>(FEWEST_SLOTS).fill(FREE)
  #values = new Array<T | undefined>(FEWEST_SLOTS).fill(undefined)
  readonly #others = new Map<number, T>()
  #inSlots = 0

  get size(): number {
    return this.#inSlots + this.#others.size
  }

  has(id: number): boolean {
    return (
      this.#ids[id % this.#ids.length] === id || (this.#others.size > 0 && this.#others.has(id))
    )
  }

  get(id: number): T | undefined {
    const slot = id % this.#ids.length
    if (this.#ids[slot] === id) return this.#values[slot]
    return this.#others.size > 0 ? this.#others.get(id) : undefined
  }

  /** @param id a whole number, 0 or more, that is not there yet */
  add(id: number, value: T): void {
    const slot = id % this.#ids.length
    if (this.#ids[slot] === FREE) {
      this.#ids[slot] = id
      this.#values[slot] = value
      this.#inSlots++
    } else if (this.#inSlots * 2 >= this.#ids.length && this.#ids.length < MOST_SLOTS) {
      this.#grow()
      this.add(id, value)
    } else this.#others.set(id, value)
  }

  delete(id: number): boolean {
    const slot = id % this.#ids.length
    if (this.#ids[slot] !== id) return this.#others.size > 0 && this.#others.delete(id)
    this.#ids[slot] = FREE
    this.#values[slot] = undefined
    this.#inSlots--
    return true
  }

  /** As they are now, in no order. */
  keys(): number[] {
    return [...this.#ids.filter((id) => id !== FREE), ...this.#others.keys()]
  }

  /** As they are now, in no order. */
  values(): T[] {
    return this.keys().map((id) => this.get(id)!)
  }

  #grow(): void {
    const entries = this.keys().map((id) => [id, this.get(id)!] as const)
    const slots = this.#ids.length * 2
    this.#ids = new Array<number>(slots).fill(FREE)
    this.#values = new Array<T | undefined>(slots).fill(undefined)
    this.#others.clear()
    this.#inSlots = 0
    for (const [id, value] of entries) {
      const slot = id % slots
      if (this.#ids[slot] !== FREE) this.#others.set(id, value)
      else {
        this.#ids[slot] = id
        this.#values[slot] = value
        this.#inSlots++
      }
    }
  }
}
