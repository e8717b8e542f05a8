// What a NATS server complains of, as sentences that say what to change. Pure, but for what it remembers
// of complaints that were told already: a permission that is missing is missed with every message.

export interface NatsFault {
  readonly sentence: string
  /** Two faults of one key are mended by one change. */
  readonly key: string
  /** `warn`: what passes by itself, when a server is started again for example. */
  readonly level: 'error' | 'warn'
}

export function natsFault(error: Error): NatsFault {
  if (isPermissionViolation(error)) {
    const { operation, subject } = error
    const verb = operation === 'publish' ? 'publish on' : 'subscribe to'
    const pattern = wildcardOf(subject)
    return {
      key: `${operation} ${pattern}`,
      level: 'error',
      sentence: `NATS does not let this process ${verb} ${subject}. Give its NATS user the permission to ${verb} ${pattern}; SECURITY.md has the whole table.`,
    }
  }
  const known = ADVICE.find(({ says }) => says.test(error.message))
  const advice = known?.advice ?? 'The log of nats-server may say more.'
  const sentence = `NATS complains: ${lowerFirst(error.message)}. ${advice}`
  return { key: error.message, level: 'error', sentence }
}

/** Why a lost connection is not back yet. */
export function connectFault(error: unknown): NatsFault {
  const reason = reasonOf(error)
  const isTls = TLS_FAULT.test(reason)
  const advice = isTls
    ? ' Look at the certificates: that of nats-server, and those of CALLGATE_NATS_CA_FILE, CALLGATE_NATS_CERT_FILE and CALLGATE_NATS_KEY_FILE, which are read again for every attempt.'
    : ''
  return {
    key: `connect ${reason}`,
    level: isTls ? 'error' : 'warn',
    sentence: `NATS cannot be reached again (${reason}): trying on.${advice}`,
  }
}

const TLS_FAULT = /certificate|\btls\b|\bssl\b|altname|handshake/i

/** The library wraps what the system says in a sentence that says less. */
function reasonOf(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : new Error(String(error))
  const why = cause instanceof Error && cause.message !== message ? `: ${cause.message}` : ''
  return lowerFirst(`${message}${why}`.replace(/\s+/g, ' ').trim())
}

/** By its name: the client library enters through `nats.ts` only. */
function isPermissionViolation(error: Error): error is Error & {
  readonly operation: 'publish' | 'subscription'
  readonly subject: string
} {
  return error.name === 'PermissionViolationError'
}

const ADVICE: readonly { readonly says: RegExp; readonly advice: string }[] = [
  {
    says: /slow consumer/i,
    advice:
      'This process did not read fast enough and was cut off: give it more CPU, or raise max_pending and write_deadline of nats-server.',
  },
  {
    says: /maximum payload/i,
    advice: 'Raise max_payload of nats-server to 1MB or more, on all of its servers alike.',
  },
  {
    says: /maximum connections/i,
    advice: 'Raise max_connections of nats-server, or of the account.',
  },
  {
    says: /maximum subscriptions/i,
    advice: 'Raise max_subscriptions of nats-server, or of the account.',
  },
  {
    says: /authenticat|authorization/i,
    advice:
      'Set CALLGATE_NATS_USER and CALLGATE_NATS_PASSWORD, CALLGATE_NATS_TOKEN or CALLGATE_NATS_CREDS_FILE to what it accepts; a credentials file is read again for every attempt.',
  },
  {
    says: /stale connection/i,
    advice:
      'This process did not answer its pings: it was stopped, starved of CPU, or its network was gone.',
  },
]

/** What an operator is told when the connection is gone and nobody has said why. */
export const LOSS_HINT =
  'If the log of nats-server says Slow Consumer, this process did not read fast enough: give it more CPU, or raise max_pending and write_deadline there.'

const MAX_REMEMBERED = 100

/** Lets each fault through once, until `forget`. */
export class ToldFaults {
  readonly #keys = new Set<string>()

  isNew({ key }: NatsFault): boolean {
    if (this.#keys.has(key)) return false
    if (this.#keys.size >= MAX_REMEMBERED) this.#keys.clear()
    this.#keys.add(key)
    return true
  }

  forget(): void {
    this.#keys.clear()
  }
}

/** What JetStream and its clients are asked by, as the table of SECURITY.md has it: no more than is needed. */
const PATTERNS: readonly [RegExp, string][] = [
  [/^\$JS\.API\.CONSUMER\.[^.]+\.([^.]+)(\..*)?$/, '$$JS.API.CONSUMER.*.$1.>'],
  [/^\$JS\.API\.DIRECT\.GET\.([^.]+)\..*$/, '$$JS.API.DIRECT.GET.$1.>'],
  [/^\$JS\.API\..*$/, '$&'],
  [/^\$JS\.FC\.([^.]+)\..*$/, '$$JS.FC.$1.>'],
  [/^\$KV\.([^.]+)\..*$/, '$$KV.$1.>'],
  [/^_INBOX\..*$/, '_INBOX.>'],
]

/** `callgate.runner.AbC.dEf` -> `callgate.runner.>`: ids are no part of a permission. */
function wildcardOf(subject: string): string {
  const known = PATTERNS.find(([form]) => form.test(subject))
  if (known !== undefined) return subject.replace(...known)
  const [namespace, kind, ...rest] = subject.split('.')
  return rest.length === 0 ? subject : `${namespace}.${kind}.>`
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1).replace(/\.$/, '')
}
