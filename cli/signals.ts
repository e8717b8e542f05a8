// Waits for the operator's word to end. The second one does not wait any more.

/**
 * What `start` resolves with, or null when the word comes first: what has begun by then ends with the process,
 * which has served nobody yet.
 */
export function unlessTold<T>(told: Promise<void>, start: Promise<T>): Promise<T | null> {
  return Promise.race([start, told.then(() => null)])
}

/** Resolves at the first SIGINT or SIGTERM; the next one ends the process at once. */
export function toldToStop(): Promise<void> {
  return new Promise((resolve) => {
    let isTold = false
    const onSignal = () => {
      if (isTold) process.exit(130)
      isTold = true
      resolve()
    }
    process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  })
}
