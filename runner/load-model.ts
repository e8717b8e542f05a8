// Runs a function's `load`, for as long as it may take, or until the runner is told to stop.

import type { Logger } from 'pino'
import type { DefinedFunction, LoadContext } from './define-function.js'
import { LoadError } from './load-function.js'
import { reasonOf } from './reason-of.js'

export interface Loading {
  /** What `load` has returned. Rejects with a LoadError; never settles after `stop`. */
  readonly model: Promise<unknown>
  /**
   * Tells `load` to stop. Resolves when it has, or after `graceMs`; at once where it cannot know, because
   * it has never looked at its signal.
   */
  stop(graceMs: number): Promise<void>
}

/** @param timeoutMs null: no limit */
export function loadModel(
  definition: DefinedFunction,
  log: Logger,
  timeoutMs: number | null,
): Loading {
  const stopping = new AbortController()
  let isSignalUsed = false
  const context: LoadContext = {
    log,
    get signal() {
      isSignalUsed = true
      return stopping.signal
    },
  }
  const startedMs = performance.now()
  // Within the promise, so that one that throws at once is no other case.
  const loaded = Promise.resolve().then(() => definition.load?.(context))
  let timer: NodeJS.Timeout | undefined

  const model = new Promise<unknown>((resolve, reject) => {
    loaded.then(
      (value) => {
        if (stopping.signal.aborted) return
        if (definition.load !== undefined) {
          log.info({ loadMs: Math.round(performance.now() - startedMs) }, 'model loaded')
        }
        resolve(value)
      },
      (error) => {
        if (!stopping.signal.aborted) reject(failed(error))
      },
    )
    if (timeoutMs === null) return
    timer = setTimeout(() => {
      const error = timedOut(timeoutMs)
      stopping.abort(error)
      reject(error)
    }, timeoutMs)
  }).finally(() => clearTimeout(timer))

  return {
    model,
    async stop(graceMs) {
      clearTimeout(timer)
      stopping.abort(new Error('The runner is told to stop.'))
      if (!isSignalUsed) return
      const settled = loaded.then(
        () => {},
        () => {},
      )
      let grace: NodeJS.Timeout | undefined
      const graceOver = new Promise<void>((resolve) => {
        grace = setTimeout(resolve, graceMs)
      })
      await Promise.race([settled, graceOver])
      clearTimeout(grace)
    },
  }
}

function failed(error: unknown): LoadError {
  return new LoadError(`\`load\` failed: ${reasonOf(error)}`, { cause: error })
}

function timedOut(timeoutMs: number): LoadError {
  return new LoadError(
    `\`load\` took longer than ${timeoutMs} ms. Make it faster, or give the function a larger \`loadTimeoutMs\`.`,
    { code: 'load_timeout' },
  )
}
