// A body whose pieces are all there at once is sent piece by piece without ever waiting, and promises alone
// never let the event loop go on: the process would do nothing else meanwhile, neither begin another answer
// nor hear that its client has left.

/** So many pieces of one body are sent before the others have their turn. */
export const PIECES_A_TURN = 32

let next: Promise<void> | null = null

/** Resolves in the next turn of the event loop. All who wait for it share one promise. */
export function nextTurn(): Promise<void> {
  next ??= new Promise((resolve) => {
    setImmediate(() => {
      next = null
      resolve()
    })
  })
  return next
}
