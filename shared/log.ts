// The log: pino, one JSON object a line on standard output, or readable lines for a person in a terminal.

import { createRequire } from 'node:module'
import pino, { type Logger } from 'pino'
import type { Config, logSettings } from './config.js'

/** @param bindings fields of every line, such as the function's name */
export function createLog(
  config: Pick<Config<typeof logSettings>, 'logLevel' | 'logFormat'>,
  bindings: Record<string, unknown> = {},
): Logger {
  const options = {
    level: config.logLevel,
    base: bindings,
    timestamp: pino.stdTimeFunctions.isoTime,
  }
  return pino(options, config.logFormat === 'pretty' ? prettyLines() : jsonLines())
}

// Buffered, because a line a call would otherwise be a write(2) a call; flushed at 4 KiB, every 100 ms by
// the timer below, and at exit.
function jsonLines() {
  const destination = pino.destination({ dest: 1, sync: false, minLength: 4096 })
  setInterval(() => destination.flush(), 100).unref()
  process.on('exit', () => {
    try {
      destination.flushSync()
    } catch {
      // Standard output is closed already, or was never opened: nobody reads the rest.
    }
  })
  return destination
}

// Loaded only here: no process in production should pay for it.
function prettyLines() {
  const pretty = createRequire(import.meta.url)(
    'pino-pretty',
  ) as typeof import('pino-pretty').default
  return pretty({
    colorize: process.stdout.isTTY,
    ignore: 'pid,hostname,time',
    singleLine: true,
    destination: 1,
    sync: true,
  })
}
