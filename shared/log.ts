// The log: pino, one JSON object a line on standard output, or readable lines for a person in a terminal.

import { createRequire } from 'node:module'
import pino, { type Logger } from 'pino'
import type { Config, logSettings } from './config.js'
import { LineBuffer } from './line-buffer.js'
import { LineSink } from './line-sink.js'

/**
 * @param bindings fields of every line, such as the function's name
 * @param isOnlyWriter no other process writes to our standard output
 */
export function createLog(
  config: Pick<Config<typeof logSettings>, 'logLevel' | 'logFormat'>,
  bindings: Record<string, unknown> = {},
  isOnlyWriter = false,
): Logger {
  const options = { level: config.logLevel, base: bindings }
  if (config.logFormat === 'pretty') return pino(options, prettyLines())
  const lines = jsonLines(isOnlyWriter)
  const log = pino(options, lines)
  if (Object.keys(bindings).length === 0) plainLines.set(log, lines)
  return log
}

const plainLines = new WeakMap<Logger, LineBuffer>()

/** Where a log's lines go, if they are plain JSON with nothing of every line in them: for who makes lines itself. */
export function linesOf(log: Logger): LineBuffer | null {
  return plainLines.get(log) ?? null
}

const STANDARD_OUTPUT = 1
/** A line a call would otherwise be a write(2) a call. */
const FLUSH_BYTES = 32 * 1024
const FLUSH_INTERVAL_MS = 100

function jsonLines(isOnlyWriter: boolean): LineBuffer {
  const lines = new LineBuffer(new LineSink(STANDARD_OUTPUT, isOnlyWriter), FLUSH_BYTES)
  setInterval(() => lines.flush(), FLUSH_INTERVAL_MS).unref()
  process.on('exit', () => lines.flushSync())
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
