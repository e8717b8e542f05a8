// What a runner process and the process that started it tell each other, over Node's IPC channel.

import type { RegistryState } from '../../shared/registry-guard.js'

/** What a runner does about the function registry. */
export type Registering =
  /** Puts its function there, and again when the registry is lost. */
  | 'now'
  | 'never'
  /** It has put it into this one, and somebody may have changed it since: only into another one. */
  | RegistryState

/** From the runner. */
export type RunnerMessage =
  /** A file that the function is made of: when it changes, the runner is out of date. */
  | { readonly type: 'imported'; readonly path: string }
  /** The function's name, before anything is registered under it. */
  | { readonly type: 'named'; readonly name: string }
  /** Its function is in the registry; told again when that is another one. */
  | { readonly type: 'registered'; readonly registry: RegistryState }
  /** Is about to load. It is one that hangs when it is not ready within `loadTimeoutMs`. */
  | {
      readonly type: 'loading'
      readonly name: string
      readonly routes: readonly string[]
      readonly loadTimeoutMs: number | null
    }
  /** Takes calls from now on. */
  | {
      readonly type: 'ready'
      readonly name: string
      readonly routes: readonly string[]
      readonly runnerId: string
    }
  /** Once a second from then on: it is not stuck. A call may keep it silent for so long; null: for ever. */
  | { readonly type: 'beat'; readonly longestCallMs: number | null }
  /** Will exit: one sentence for the user. */
  | { readonly type: 'failed'; readonly message: string }
  /** Likewise, and it will not be otherwise until one of these functions has other routes, or is gone. */
  | { readonly type: 'refused'; readonly message: string; readonly owners: readonly string[] }

/**
 * To a runner: finish your calls and end. No signal says this, because a service manager sends its own to
 * every process of a service, and to be signalled twice means to end at once.
 */
export interface StopMessage {
  readonly type: 'stop'
}

/** To a runner that stands by, as others have it on their command line: what it is from now on. */
export interface StartOrder {
  readonly file: string
  readonly registering: Registering
  /** The function that the file was before. Null: none, or nobody knows. */
  readonly replaces: string | null
}
