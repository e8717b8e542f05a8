// Where NATS is, as users write it: `nats://user:password@host:4222`, with less of it or more of them,
// separated by commas. The client library takes digits of a password for the port, and a user that stands
// before a plain host's name for half of an IPv6 address: it is given the servers alone.

import { isIPv6 } from 'node:net'
import { ConfigError, variableName } from './config.js'

export interface NatsAddress {
  readonly scheme: string | undefined
  /** Of the first server; the connection has one user for all. */
  readonly user: string | undefined
  readonly password: string | undefined
  /** Without user and password. */
  readonly servers: readonly string[]
}

/** Throws a ConfigError. */
export function readNatsUrl(natsUrl: string): NatsAddress {
  const entries = entriesOf(natsUrl)
  const faults = new Set(entries.map(faultOf).filter((fault) => fault !== null))
  const [first] = entries
  if (first === undefined) faults.add(NOT_SERVERS)
  if (first === undefined || faults.size > 0) {
    throw new ConfigError([...faults].map((fault) => `${variableName('natsUrl')}: ${fault}`))
  }
  const { scheme, user, password } = first
  return {
    scheme,
    user: decoded(user),
    password: decoded(password),
    servers: entries.map(serverOf),
  }
}

/** For people to read: nothing that is, or may be, a user or a password. */
export function redacted(natsUrl: string): string {
  return entriesOf(natsUrl)
    .map((entry) => (HOST.test(entry.host) ? serverOf(entry) : '…'))
    .join(',')
}

const NOT_SERVERS =
  'must be servers like nats://host:4222, separated by commas; write %2C for a comma in a password'

/** What is wrong with it, without a word of what may be a password; null: nothing. */
function faultOf({ scheme, host }: Entry): string | null {
  if (scheme !== undefined && scheme !== 'nats' && scheme !== 'tls') {
    return 'must begin with nats:// or tls://, or with the name of the host'
  }
  const { ipv6 = host, name, port } = SERVER.exec(host)?.groups ?? {}
  if (name === undefined && !isIPv6(ipv6)) return NOT_SERVERS
  const isPort = port === undefined || (Number(port) >= 1 && Number(port) <= 65_535)
  return isPort ? null : 'must have ports from 1 to 65535'
}

/** An IPv6 address without brackets has no port, and is none of these. */
const SERVER = /^(?:\[(?<ipv6>[^\]]*)\]|(?<name>[^\s:/?#\\[\]@%]+))(?::(?<port>\d+))?\/?$/

/** What stands before a comma in a password is none. */
const HOST = /^(\[[^\]]*\]|[^:]*|[\da-f.]*:[\da-f.]*:[\da-f:.]*)(:\d+)?\/?$/i

interface Entry {
  readonly scheme: string | undefined
  readonly user: string | undefined
  readonly password: string | undefined
  readonly host: string
}

function entriesOf(natsUrl: string): Entry[] {
  const texts = natsUrl.split(',').map((text) => text.trim())
  return texts
    .filter((text) => text !== '')
    .map((text) => {
      const [, scheme, user, password, host] = ENTRY.exec(text)!
      return { scheme: scheme?.toLowerCase(), user, password, host: host! }
    })
}

/** The last @ counts: there is none in the name of a host. */
const ENTRY = /^(?:(\w+):\/\/)?(?:([^:]*?)(?::(.*))?@)?([^@]*)$/s

function serverOf({ scheme, host }: Entry): string {
  return scheme === undefined ? host : `${scheme}://${host}`
}

function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text)
  } catch {
    throw new ConfigError([
      `${variableName('natsUrl')}: a % in its user or password stands for a character only with two hexadecimal digits behind it; write %25 for the % itself`,
    ])
  }
}
