// Calls of one function that wait for a slot. Higher priorities first; within one, fair between
// principals: they take turns, as many calls a turn as their weight, first come first served within one.
// A principal with a thousand waiting calls delays another's first one by one turn at most.

/** Where a call waits. */
export interface Place {
  /** Calls that share it share the turns. */
  readonly fairnessKey: string
  /** Calls a turn, at least 1. */
  readonly weight: number
  /** Larger is served first. */
  readonly priority: number
}

/** Above so many principals the calls before a new one are counted as all of its lane. */
const MAX_COUNTED_LINES = 64

export class FairQueue<T> {
  /** By priority, largest first. Those that have been used stay: there are few. */
  readonly #lanes: Lane<T>[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  push(item: T, place: Place): void {
    this.#lane(place.priority).push(item, place)
    this.#length++
  }

  /** Takes the next one out, or returns undefined. */
  shift(): T | undefined {
    for (const lane of this.#lanes) {
      const item = lane.shift()
      if (item === undefined) continue
      this.#length--
      return item
    }
    return undefined
  }

  /** Takes `item` out wherever it waits; false when it does not. */
  remove(item: T, place: Place): boolean {
    if (!this.#lane(place.priority).remove(item, place)) return false
    this.#length--
    return true
  }

  /** About how many of those that wait now would be served before one that came now. */
  lengthBefore(place: Place): number {
    let count = 0
    for (const lane of this.#lanes) {
      if (lane.priority > place.priority) count += lane.length
      else if (lane.priority === place.priority) count += lane.lengthBefore(place)
    }
    return count
  }

  #lane(priority: number): Lane<T> {
    let index = 0
    for (const lane of this.#lanes) {
      if (lane.priority === priority) return lane
      if (lane.priority < priority) break
      index++
    }
    const lane = new Lane<T>(priority)
    this.#lanes.splice(index, 0, lane)
    return lane
  }
}

interface Line<T> {
  readonly items: Set<T>
  /** Calls that its principal may have before the next one's turn. */
  turns: number
  weight: number
}

/** The calls of one priority. */
class Lane<T> {
  readonly priority: number
  /** A line for each principal with waiting calls; the one at the front of the map has its turn. */
  readonly #lines = new Map<string, Line<T>>()
  #length = 0

  constructor(priority: number) {
    this.priority = priority
  }

  get length(): number {
    return this.#length
  }

  push(item: T, { fairnessKey, weight }: Place): void {
    this.#length++
    const line = this.#lines.get(fairnessKey)
    if (line === undefined) {
      this.#lines.set(fairnessKey, { items: new Set([item]), turns: weight, weight })
      return
    }
    line.items.add(item)
    line.weight = weight
  }

  shift(): T | undefined {
    for (const [key, line] of this.#lines) {
      line.turns--
      const isLast = line.items.size === 1
      if (isLast || line.turns <= 0) this.#lines.delete(key)
      if (!isLast && line.turns <= 0) {
        line.turns = line.weight
        this.#lines.set(key, line)
      }
      for (const item of line.items) {
        line.items.delete(item)
        this.#length--
        return item
      }
    }
    return undefined
  }

  remove(item: T, { fairnessKey }: Place): boolean {
    const line = this.#lines.get(fairnessKey)
    if (!line?.items.delete(item)) return false
    if (line.items.size === 0) this.#lines.delete(fairnessKey)
    this.#length--
    return true
  }

  lengthBefore({ fairnessKey, weight }: Place): number {
    if (this.#lines.size > MAX_COUNTED_LINES) return this.#length
    const own = this.#lines.get(fairnessKey)?.items.size ?? 0
    const rounds = Math.ceil((own + 1) / weight)
    let count = own
    for (const [key, line] of this.#lines) {
      if (key !== fairnessKey) count += Math.min(line.items.size, rounds * line.weight)
    }
    return count
  }
}
