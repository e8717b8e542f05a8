// The log: pino, one JSON object a line on standard output, or readable lines for a person in a terminal.

import { createRequire } from 'node:module'
import pino, { type Logger } from 'pino'
import type { Config, logSettings } from './config.js'

/** @param bindings fields of every line, such as the function's name */
export function createLog(
  config: Pick<Config<typeof logSettings>, 'logLevel' | 'logFormat'>,
  bindings: Record<string, unknown> = {},
): Logger {
  const options = { level: config.logLevel, base: bindings }
  return pino(options, config.logFormat === 'pretty' ? prettyLines() : jsonLines())
}

/** A line a call would otherwise be a write(2) a call. */
const FLUSH_BYTES = 32 * 1024
const FLUSH_INTERVAL_MS = 100
/** A reader that has stopped reading must not fill our memory: lines beyond this are dropped. */
const MAX_BUFFERED_BYTES = 16 * 1024 * 1024

// What a kill -9 loses is a tenth of a second.
function jsonLines() {
  const destination = pino.destination({
    dest: 1,
    sync: false,
    minLength: FLUSH_BYTES,
    maxLength: MAX_BUFFERED_BYTES,
    maxWrite: 4 * FLUSH_BYTES,
  } as Parameters<typeof pino.destination>[0])
  setInterval(() => destination.flush(), FLUSH_INTERVAL_MS).unref()
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
  const { build } = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty')
  return build({
    colorize: process.stdout.isTTY,
    ignore: 'pid,hostname,time',
    singleLine: true,
    destination: 1,
    sync: true,
  })
}
