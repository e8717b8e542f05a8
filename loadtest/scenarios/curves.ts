// Where the curve bends: what a call costs and how long it takes as one thing after the other grows. Asks which
// growth is free, which one has its price, and where it ends.

import { Command, InvalidArgumentError, Option } from 'commander'
import { positiveInteger } from '../common-options.js'
import { type Curve, chartsOf, tableOf } from '../curves/curve.js'
import { CURVES, type CurveOptions, GENERATORS } from '../curves/measure-curves.js'
import { assertWrkInstalled } from '../generators/wrk.js'
import type { Findings } from '../report/result.js'
import { runScenario } from '../run-scenario.js'

type Options = Pick<CurveOptions, 'seconds' | 'upTo'> & {
  readonly of: readonly string[]
  readonly generator?: CurveOptions['generator']
  readonly json?: string
}

/** @param signal ends the load test early */
export function curvesCommand(signal: AbortSignal): Command {
  const names = Object.keys(CURVES)
  return new Command('curves')
    .description('cost and time of a call as connections, bodies, functions, runners grow')
    .option('--of <curves>', `of ${names.join(', ')}`, chosen, names)
    .option('--seconds <n>', 'length of each point', positiveInteger, 5)
    .option('--up-to <n>', 'leave out steps beyond it', positiveInteger, Number.POSITIVE_INFINITY)
    .addOption(
      new Option('--generator <name>', 'what makes the calls; wrk where there is one').choices(
        Object.keys(GENERATORS),
      ),
    )
    .option('--json <file>', 'write all numbers into this file')
    .action(async (options: Options) => {
      // Every curve starts a testbed of its own.
      await runScenario(signal, 'curves', options, () => measure(options, signal))
    })
}

async function measure(options: Options, signal: AbortSignal): Promise<Findings> {
  const { of, seconds, upTo } = options
  const generator = options.generator ?? (await lightest())
  if (generator === 'wrk') await assertWrkInstalled()
  const curves: Curve[] = []
  for (const name of of) {
    curves.push(await CURVES[name]!({ seconds, upTo, generator, signal }))
  }
  return {
    title: `${of.join(', ')}; ${seconds} s a point, ${generator}`,
    tables: curves.map(tableOf),
    charts: curves.flatMap(chartsOf),
    targets: [],
    notes: NOTES,
    errors: errorsOf(curves),
    data: curves,
  }
}

function chosen(text: string): string[] {
  const names = text.split(',')
  const unknown = names.find((name) => !(name in CURVES))
  if (unknown === undefined) return names
  throw new InvalidArgumentError(`"${unknown}" is none of ${Object.keys(CURVES).join(', ')}.`)
}

async function lightest(): Promise<CurveOptions['generator']> {
  const isMissing = await assertWrkInstalled().catch(() => true)
  return isMissing ? 'autocannon' : 'wrk'
}

function errorsOf(curves: readonly Curve[]): Record<string, number> {
  const errors: Record<string, number> = {}
  for (const { name, subjects } of curves) {
    for (const { load, x } of subjects.flatMap(({ points }) => points)) {
      for (const [kind, count] of Object.entries(load.errors)) {
        if (count > 0) errors[`${name} at ${x}: ${kind}`] = count
      }
    }
  }
  return errors
}

const NOTES = [
  'The steps of a curve are measured one after the other, each once: a bend is where several steps agree.',
  'Generator, gateways, nats-server and runners share the cores. "Cores in use" says whose core is full: what has less than one to itself was kept waiting by the others.',
  'Every loop is closed but that of the streams: with many connections the time of a call is the rate, told as a time.',
]
