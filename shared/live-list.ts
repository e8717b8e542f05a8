// What is under way, in the order in which it came: for things of which thousands come and go every second.
//
// A Set would do, but for the collector. Each time a Set or a Map is full of what was deleted, V8 gives it
// a new table, and the old one keeps a reference to the new. Once one of them has grown old, every later
// one, with all that was in it when it was left, outlives the young generation: all calls of a second,
// 60 MB of them, and a third more CPU a call. Here, what is taken out refers to nothing any more.

/** Where an item is in its list. */
export interface Place<T> {
  item: T | undefined
  before: Place<T> | null
  after: Place<T> | null
}

export class LiveList<T> {
  #first: Place<T> | null = null
  #last: Place<T> | null = null
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The item that came first of those that are there. */
  get first(): T | undefined {
    return this.#first?.item
  }

  add(item: T): Place<T> {
    const place: Place<T> = { item, before: this.#last, after: null }
    if (this.#last === null) this.#first = place
    else this.#last.after = place
    this.#last = place
    this.#size++
    return place
  }

  /** False when it was taken out before. */
  delete(place: Place<T>): boolean {
    if (place.item === undefined) return false
    const { before, after } = place
    if (before === null) this.#first = after
    else before.after = after
    if (after === null) this.#last = before
    else after.before = before
    place.item = undefined
    place.before = null
    place.after = null
    this.#size--
    return true
  }

  /** As it is now. */
  items(): T[] {
    const items: T[] = []
    for (let place = this.#first; place !== null; place = place.after) items.push(place.item!)
    return items
  }
}
