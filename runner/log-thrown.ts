import type { Logger } from 'pino'
import { reasonOf } from './reason-of.js'

/** Logs what the function threw, with its stack. It may be anything, and may throw when it is looked at. */
export function logThrown(log: Logger, thrown: unknown, message: string): void {
  try {
    log.error({ err: thrown }, message)
  } catch (fault) {
    log.error({ fault: reasonOf(fault) }, `${message} (with something that cannot be looked at)`)
  }
}
