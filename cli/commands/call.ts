// `callgate call <function> [json]`: call a function over NATS and print what it answers: a value as one
// JSON document, a stream as one JSON value a line, as they come. Ctrl-C cancels.

import { Command } from 'commander'
import { connect } from '../../client/client.js'
import { CallError } from '../../shared/errors.js'
import { UserFailure } from '../failure.js'

interface CallFlags {
  readonly natsUrl?: string
  readonly namespace?: string
  readonly timeoutMs?: string
  readonly queueWaitMs?: string
}

export function callCommand(): Command {
  return new Command('call')
    .description('call a function over NATS')
    .argument('<function>', 'name of the function')
    .argument('[json]', 'its input; - reads standard input')
    .option('--nats-url <url>', 'NATS servers, separated by commas (CALLGATE_NATS_URL)')
    .option('--namespace <name>', 'first token of every NATS subject (CALLGATE_NAMESPACE)')
    .option('--timeout-ms <ms>', 'total time of the call')
    .option('--queue-wait-ms <ms>', 'longest wait for a free slot', '30000')
    .action(async (name: string, json: string | undefined, flags: CallFlags) => {
      const input = await readInput(json)
      const { natsUrl, namespace } = flags
      const client = await connect({
        ...(natsUrl === undefined ? {} : { natsUrl }),
        ...(namespace === undefined ? {} : { namespace }),
        queueWaitMs: milliseconds('--queue-wait-ms', flags.queueWaitMs)!,
      })
      const interrupted = new AbortController()
      const onInterrupt = () => interrupted.abort()
      process.once('SIGINT', onInterrupt).once('SIGTERM', onInterrupt)
      try {
        const timeoutMs = milliseconds('--timeout-ms', flags.timeoutMs)
        const values = client.stream(name, input, {
          signal: interrupted.signal,
          ...(timeoutMs === undefined ? {} : { timeoutMs }),
        })
        for await (const value of values) await print(value)
      } catch (error) {
        if (!(error instanceof CallError)) throw error
        process.stderr.write(`callgate: ${error.code}: ${error.message}\n`)
        for (const { path, message } of error.issues ?? []) {
          process.stderr.write(`  ${path.join('.') || 'input'}: ${message}\n`)
        }
        process.exitCode = interrupted.signal.aborted ? 130 : 1
      } finally {
        await client.close()
      }
    })
}

async function readInput(json: string | undefined): Promise<unknown> {
  const text = json === '-' ? await readStdin() : json
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UserFailure(`The input is not JSON: ${(error as Error).message}.`)
  }
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

/** Waits when the reader of our output is slower than the function. */
async function print(value: unknown): Promise<void> {
  if (value === undefined) return
  const line = value instanceof Uint8Array ? value : `${JSON.stringify(value)}\n`
  if (process.stdout.write(line)) return
  await new Promise<void>((resolve) => process.stdout.once('drain', resolve))
}

function milliseconds(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new UserFailure(`${flag}: ${text} is no number of milliseconds.`)
}
