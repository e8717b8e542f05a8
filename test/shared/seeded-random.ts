// Random numbers that are the same on every run, so that a failure can be seen again.

export interface Random {
  /** 0 <= value < 1. */
  next(): number
  /** A whole number, both ends included. */
  int(least: number, most: number): number
  bytes(length: number): Buffer
  pick<T>(items: readonly T[]): T
}

/** mulberry32 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const int = (least: number, most: number) => least + Math.floor(next() * (most - least + 1))
  return {
    next,
    int,
    bytes(length) {
      const bytes = Buffer.alloc(length)
      for (let at = 0; at < length; at++) bytes[at] = int(0, 255)
      return bytes
    },
    pick: (items) => items[int(0, items.length - 1)]!,
  }
}
