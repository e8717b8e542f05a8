// The log: pino, one JSON object a line on standard output, or readable lines for a person in a terminal.

import { createRequire } from 'node:module'
import pino, { type Logger } from 'pino'
import type { Config, logSettings } from './config.js'
import { type ByteSink, LineBuffer } from './line-buffer.js'

/** @param bindings fields of every line, such as the function's name */
export function createLog(
  config: Pick<Config<typeof logSettings>, 'logLevel' | 'logFormat'>,
  bindings: Record<string, unknown> = {},
): Logger {
  const options = { level: config.logLevel, base: bindings }
  if (config.logFormat === 'pretty') return pino(options, prettyLines())
  const lines = jsonLines()
  const log = pino(options, lines)
  if (Object.keys(bindings).length === 0) plainLines.set(log, lines)
  return log
}

const plainLines = new WeakMap<Logger, LineBuffer>()

/** Where a log's lines go, if they are plain JSON with nothing of every line in them: for who makes lines itself. */
export function linesOf(log: Logger): LineBuffer | null {
  return plainLines.get(log) ?? null
}

/** A line a call would otherwise be a write(2) a call. */
const FLUSH_CHARS = 32 * 1024
const FLUSH_INTERVAL_MS = 100
/** A reader that has stopped reading must not fill our memory: what comes beyond this is dropped. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024

function jsonLines(): LineBuffer {
  const options = { dest: 1, sync: false, contentMode: 'buffer', maxLength: MAX_WAITING_BYTES }
  // Its types do not know that it takes bytes.
  const destination = pino.destination(options as object) as unknown as ByteSink
  const lines = new LineBuffer(destination, FLUSH_CHARS)
  setInterval(() => lines.flush(), FLUSH_INTERVAL_MS).unref()
  process.on('exit', () => {
    try {
      lines.flushSync()
    } catch {
      // Standard output is closed already, or was never opened: nobody reads the rest.
    }
  })
  return lines
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
