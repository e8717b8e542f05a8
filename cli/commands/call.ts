// `callgate call <function> [json]`: call a function over NATS and print what it answers: a value as one
// JSON document, a stream as one JSON value a line, as they come. Ctrl-C cancels.

import { once } from 'node:events'
import { addAbortSignal } from 'node:stream'
import { text } from 'node:stream/consumers'
import { Command } from 'commander'
import { gatewaySettings, natsSettings, readConfig } from '../../shared/config.js'
import { CallError } from '../../shared/errors.js'
import { durationMs, setting } from '../../shared/setting.js'
import { EXIT_FAILURE, UsageFailure } from '../failure.js'
import { addSettings } from '../settings-options.js'

const callSettings = {
  timeoutMs: setting(durationMs, 'longest that the call may take, once it has a slot'),
  queueWaitMs: gatewaySettings.queueWaitMs,
}
const { registryReplicas: _, ...connectionSettings } = natsSettings

export function callCommand(): Command {
  const command = new Command('call')
    .description('call a function over NATS and print its answer, a stream one value a line')
    .argument('<function>', 'name of the function')
    .argument('[json]', 'its input; - reads standard input')
  addSettings(command, 'Call:', callSettings)
  return addSettings(command, 'NATS:', connectionSettings).action(call)
}

async function call(
  name: string,
  json: string | undefined,
  flags: Record<string, unknown>,
): Promise<void> {
  const settings = { ...callSettings, ...connectionSettings }
  const { timeoutMs, ...config } = readConfig(settings, flags, process.env)
  const interrupted = new AbortController()
  // 128 and the signal's number, as every shell has it.
  process.once('SIGINT', () => interrupted.abort(130)).once('SIGTERM', () => interrupted.abort(143))
  const { signal } = interrupted
  try {
    const input = parseInput(json === '-' ? await readStdin(signal) : json)
    const { connect } = await import('../../client/client.js')
    const client = await connect(config)
    try {
      const values = client.stream(name, input, { signal, timeoutMs })
      for await (const value of values) await print(value, signal)
    } finally {
      await client.close()
    }
  } catch (error) {
    if (signal.aborted) process.exitCode = signal.reason
    else if (error instanceof CallError) reportCallError(error)
    else throw error
  }
}

function reportCallError({ code, message, issues }: CallError): void {
  process.exitCode = EXIT_FAILURE
  process.stderr.write(`callgate: ${code}: ${message}\n`)
  for (const issue of issues ?? []) {
    process.stderr.write(`  ${issue.path.join('.') || 'input'}: ${issue.message}\n`)
  }
}

function readStdin(signal: AbortSignal): Promise<string> {
  return text(addAbortSignal(signal, process.stdin))
}

function parseInput(json: string | undefined): unknown {
  if (json === undefined) return undefined
  try {
    return JSON.parse(json)
  } catch (error) {
    throw new UsageFailure(`The input is not JSON: ${(error as Error).message}.`)
  }
}

/** Waits when the reader of our output is slower than the function; not when it has gone. */
async function print(value: unknown, signal: AbortSignal): Promise<void> {
  if (value === undefined) return
  const line = value instanceof Uint8Array ? value : `${JSON.stringify(value, asJson)}\n`
  if (!process.stdout.write(line)) await once(process.stdout, 'drain', { signal }).catch(() => {})
}

/** What JSON has no form for: a bigint that is too large is a string, bytes are base64. */
function asJson(this: Record<string, unknown>, key: string, value: unknown): unknown {
  // Before `toJSON`, which makes an array of a Buffer.
  const given = this[key]
  if (given instanceof Uint8Array) return Buffer.from(given).toString('base64')
  if (typeof given !== 'bigint') return value
  return Number.isSafeInteger(Number(given)) ? Number(given) : given.toString()
}
