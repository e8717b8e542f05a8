// A `socket` function whose behaviour each test says anew, with what became of its last connection.

import {
  type CallContext,
  type CallSocket,
  type DefinedFunction,
  defineFunction,
  type SocketDeclaration,
} from '../../runner/define-function.js'

export type SocketScript = (
  socket: CallSocket,
  context: CallContext<undefined>,
) => void | Promise<void>

export class ScriptedSocket {
  readonly definition: DefinedFunction & { name?: string }
  #script: SocketScript = () => {}
  #onSettled: (outcome: unknown) => void = () => {}

  constructor(name: string, declaration: Partial<SocketDeclaration<undefined>> = {}) {
    this.definition = defineFunction({
      name,
      auth: 'public',
      maxInputs: 100,
      ...declaration,
      socket: async (socket, context) => {
        const script = this.#script
        const onSettled = this.#onSettled
        try {
          await script(socket, context)
          onSettled(null)
        } catch (error) {
          onSettled(error)
          throw error
        }
      },
    }) as DefinedFunction & { name?: string }
  }

  /**
   * What the function does with connections from here on. Resolves when the first of them has settled:
   * with null, or with what it threw.
   */
  does(script: SocketScript): Promise<unknown> {
    this.#script = script
    return new Promise((resolve) => {
      this.#onSettled = resolve
    })
  }
}

/** A promise, and what resolves it: a test's way to be told, or to hold a function back. */
export function signalled<T = void>(): { readonly promise: Promise<T>; go(value: T): void } {
  let go: (value: T) => void = () => {}
  const promise = new Promise<T>((resolve) => {
    go = resolve
  })
  return { promise, go: (value) => go(value) }
}
