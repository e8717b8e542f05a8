// How often a value was how large. Counting one is a few comparisons and two additions: it is done for every
// call, where a metrics library takes longer than the rest of a call's account together.

export class Histogram {
  /** Upper bounds of the buckets, ascending; above the last one there is one more. */
  readonly bounds: readonly number[]
  readonly #counts: number[]
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.#counts = new Array(bounds.length + 1).fill(0)
  }

  observe(value: number): void {
    const { bounds } = this
    let bucket = 0
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++
    this.#counts[bucket]!++
    this.#sum += value
  }

  get sum(): number {
    return this.#sum
  }

  /** For each bound, how many values were not above it; then, how many there were. */
  get cumulativeCounts(): number[] {
    let total = 0
    return this.#counts.map((count) => {
      total += count
      return total
    })
  }
}
