// The scenarios of a report and their options: one line each, in the order of the report. Without options a
// scenario has its own defaults, which are those of a report where that takes minutes and not hours.

export interface Planned {
  readonly scenario: string
  readonly options: readonly string[]
  /** Instead, to see in seconds whether all of it works; no figures to keep. */
  readonly quick: readonly string[]
  readonly hasRounds?: boolean
}

/** The others do not serve a thousand streams at once. */
const STREAMING = 'callgate,node-sse,haproxy,workerd'
const CLOSE_STREAMS = 'callgate,node-sse'
const CLOSE = 'callgate,uws-hello,node-http,fastify-nats'

export const PLAN: readonly Planned[] = [
  // What the targets are about by themselves: some of the others need the processor when they are idle, too.
  line('unary', `--generator wrk --only ${CLOSE}`, `--generator wrk --only ${CLOSE} --duration 2`, {
    hasRounds: true,
  }),
  line('unary', '--duration 4', '--duration 2', { hasRounds: true }),
  line('bodies', '', '--gib 0.1', { hasRounds: true }),
  line('sse', `--only ${STREAMING}`, '--streams 100 --duration 1', { hasRounds: true }),
  line('sse', `--tokens 2000 --only ${CLOSE_STREAMS}`, '--streams 100 --tokens 400 --duration 1', {
    hasRounds: true,
  }),
  line(
    'sse',
    `--streams 5000 --tokens 1000 --only ${CLOSE_STREAMS}`,
    '--streams 100 --duration 1',
    {
      hasRounds: true,
    },
  ),
  line('ws', '', '--sockets 100', { hasRounds: true }),
  line('latency', '', '--duration 1', { hasRounds: true }),
  line('mixed', '', '--duration 2', { hasRounds: true }),
  line('curves', '--seconds 3', '--up-to 4 --seconds 1'),
  line('idle', '--quiet-seconds 65', '--sockets 400 --settle-seconds 1 --quiet-seconds 1'),
  line('routes', '', '--functions 20 --seconds 1 --starts 1', { hasRounds: true }),
  line('coldpath', '', '--starts 1'),
  line('neighbours', '', '--duration 2 --stall-seconds 1', { hasRounds: true }),
  line('long-short', '', '--duration 5'),
  line('overload', '', '--duration 3'),
  line('kill-runners', '', '--rate 200 --kills 2'),
  line('restart-nats', '', '--rate 100 --outages 1 --outage-ms 1000'),
  line('rolling-restart', '', '--rate 100 --streams 10 --stream-seconds 2'),
  line('soak', '', '--minutes 0.25 --rate 20 --chaos-every-ms 2000'),
]

const QUICK_ROUNDS = 1

export interface Choice {
  /** All if absent. */
  readonly scenarios?: readonly string[]
  /** Of those that have rounds; their own defaults if absent. */
  readonly rounds?: number
  readonly quick?: boolean
}

/** The arguments of each load test of a report. */
export function plannedArgs({ scenarios, rounds, quick }: Choice): string[][] {
  const chosen = PLAN.filter(({ scenario }) => scenarios?.includes(scenario) ?? true)
  return chosen.map((planned) => {
    const wanted = rounds ?? (quick ? QUICK_ROUNDS : undefined)
    const hasThem = planned.hasRounds && wanted !== undefined
    return [
      planned.scenario,
      ...(quick ? planned.quick : planned.options),
      ...(hasThem ? ['--rounds', String(wanted)] : []),
    ]
  })
}

function line(
  scenario: string,
  options: string,
  quick: string,
  others: { readonly hasRounds?: boolean } = {},
): Planned {
  const split = (text: string) => text.split(' ').filter((word) => word !== '')
  return { scenario, options: split(options), quick: split(quick), ...others }
}
