// One process of the system that may be ended, in whatever way, and started again in its place.

import type { Child } from '../child.js'
import type { Testbed } from '../testbed.js'

export class Part {
  readonly name: string
  readonly #testbed: Testbed
  readonly #command: readonly string[]
  /** The one that runs now, or ran last, is the last. */
  readonly lives: Child[] = []

  constructor(testbed: Testbed, name: string, command: readonly string[]) {
    this.#testbed = testbed
    this.name = name
    this.#command = command
  }

  get child(): Child {
    const child = this.lives.at(-1)
    if (child === undefined) throw new Error(`${this.name} was not started.`)
    return child
  }

  /** Resolves when it was started, not when it is ready. */
  async start(): Promise<Child> {
    const child = await this.#testbed.startServer(this.name, this.#command)
    this.lives.push(child)
    return child
  }
}
