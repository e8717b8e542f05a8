// What a runner process tells the process that started it, over Node's IPC channel.

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
