// What a runner process and the process that started it tell each other, over Node's IPC channel.

/** From the runner. */
export type RunnerMessage =
  /** A file that the function is made of: when it changes, the runner is out of date. */
  | { readonly type: 'imported'; readonly path: string }
  /** Takes calls from now on. */
  | {
      readonly type: 'ready'
      readonly name: string
      readonly routes: readonly string[]
      readonly runnerId: string
    }
  /** Will exit: one sentence for the user. */
  | { readonly type: 'failed'; readonly message: string }

/** To a runner that stands by: what it is from now on. */
export interface StandbyMessage {
  readonly file: string
  readonly register: boolean
}
