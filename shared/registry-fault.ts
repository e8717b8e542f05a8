// What keeps the registry from being read or written, as a sentence that says what to change: errors of NATS and
// JetStream, which none of our users has to know. By their names, because most of them come wrapped in others.

import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream'
import { natsFault } from './nats-faults.js'

export class RegistryUnavailable extends Error {
  override readonly name = 'RegistryUnavailable'
}

/** Lets `work` work. Throws a RegistryUnavailable for what NATS has against it, and anything else as it is. */
export async function inRegistry<T>(
  what: 'opened' | 'read' | 'changed' | 'followed',
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const reason = reasonOf(error)
    if (reason === null) throw error
    const sentence = `The function registry cannot be ${what}${reason}`
    throw new RegistryUnavailable(sentence, { cause: error })
  }
}

const NAMES = new Set([
  'ClosedConnectionError',
  'ConnectionError',
  'ConsumerNotFoundError',
  'DrainingConnectionError',
  'JetStreamApiError',
  'JetStreamError',
  'JetStreamNotEnabled',
  'JetStreamStatusError',
  'NoResponders',
  'PermissionViolationError',
  'ProtocolError',
  'RequestError',
  'StreamNotFoundError',
  'TimeoutError',
])

/** The first has no name in the client library: JetStream is there, and not running. */
const NOT_ENABLED: readonly number[] = [10_076, JetStreamApiCodes.JetStreamNotEnabledForAccount]

/** The rest of the sentence; null for an error of somebody else. */
function reasonOf(error: unknown): string | null {
  const errors = withCauses(error)
  if (!NAMES.has(errors[0]?.name ?? '')) return null
  const violation = errors.find(({ name }) => name === 'PermissionViolationError')
  if (violation !== undefined) return `: ${natsFault(violation).sentence}`
  const said = ` (${errors[0]!.message}).`
  if (errors.some(isNotEnabled))
    return `${said} JetStream must be enabled on the NATS server: nats-server --jetstream.`
  if (errors.some(({ name }) => name === 'TimeoutError'))
    return ': JetStream has not answered in time. The log of nats-server may say why.'
  return `${said} The log of nats-server may say more.`
}

function isNotEnabled(error: Error): boolean {
  // Nobody listens to its subjects then.
  if (error.name === 'JetStreamNotEnabled' || error.name === 'NoResponders') return true
  return error instanceof JetStreamApiError && NOT_ENABLED.includes(error.code)
}

function withCauses(error: unknown): Error[] {
  return error instanceof Error ? [error, ...withCauses(error.cause)] : []
}
