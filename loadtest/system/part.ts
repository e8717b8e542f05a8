// One process of the system that may be ended, in whatever way, and started again in its place.

import type { Child } from '../child.js'
import type { Testbed } from '../testbed.js'

export class Part {
  readonly name: string
  readonly #testbed: Testbed
  readonly #command: readonly string[]
  #child: Child | undefined

  constructor(testbed: Testbed, name: string, command: readonly string[]) {
    this.#testbed = testbed
    this.name = name
    this.#command = command
  }

  /** Of the process that runs now, or ran last. */
  get child(): Child {
    if (this.#child === undefined) throw new Error(`${this.name} was not started.`)
    return this.#child
  }

  /** Resolves when it was started, not when it is ready. */
  async start(): Promise<Child> {
    this.#child = await this.#testbed.startServer(this.name, this.#command)
    return this.#child
  }
}
