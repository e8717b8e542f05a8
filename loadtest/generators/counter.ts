// What went right in each tenth of a second since the counter began, for throughput over time.

export const COUNTED_EVERY_MS = 100

export class Counter {
  readonly counts: number[] = []
  readonly #startMs = performance.now()

  add(): void {
    const index = Math.floor((performance.now() - this.#startMs) / COUNTED_EVERY_MS)
    while (this.counts.length <= index) this.counts.push(0)
    this.counts[index]! += 1
  }
}
