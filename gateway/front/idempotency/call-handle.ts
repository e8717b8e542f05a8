import type { Invocation } from '../../dispatch/invocation.js'

/** What a call that was started may be asked for: an invocation, or a share of one. */
export type CallHandle = Pick<
  Invocation,
  'write' | 'end' | 'consumed' | 'cancel' | 'abort' | 'isOver'
>
