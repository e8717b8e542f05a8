// A file that is read again when it has changed. Replace it by rename: one that is written in place may be
// read half.

import { readFile, stat } from 'node:fs/promises'

export class LiveFile<T> {
  readonly #path: string
  readonly #parse: (text: string) => T
  #last: { readonly stamp: string; readonly value: T } | undefined

  constructor(path: string, parse: (text: string) => T) {
    this.#path = path
    this.#parse = parse
  }

  /** What it says now. Throws when it cannot be read, and what `parse` throws. */
  async read(): Promise<T> {
    const { mtimeMs, size, ino } = await stat(this.#path)
    const stamp = `${mtimeMs} ${size} ${ino}`
    if (this.#last?.stamp === stamp) return this.#last.value
    const value = this.#parse(await readFile(this.#path, 'utf8'))
    this.#last = { stamp, value }
    return value
  }
}
