// How a call ended, as its client saw it: every call of a load test has one of these, none is forgotten.

import type { HttpAnswer } from './http-answer.js'

export type CallEnd =
  /** A whole answer, by its own framing. */
  | { readonly how: 'answered'; readonly answer: HttpAnswer }
  /** The connection ended behind the head and before the end: nobody can take it for whole. */
  | { readonly how: 'cut'; readonly answer: HttpAnswer }
  /** The connection could not be made, or ended before there was a head. */
  | { readonly how: 'lost'; readonly reason: string; readonly history: string }
  /** The client went away, as it was told to. */
  | { readonly how: 'left' }
  /** Nothing ended it. */
  | { readonly how: 'hung'; readonly afterMs: number }
  /** What came was not HTTP. */
  | { readonly how: 'garbled' }
