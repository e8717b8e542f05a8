// Which pages of other origins may call, and read the answers: the CORS protocol of the Fetch standard, for
// all functions alike. Only browsers ask for it, and it keeps nobody else out: tokens do.
//
// Cookies are not shared with such a page (no `Access-Control-Allow-Credentials`), which is why `*` may stand
// for all methods, all fields but `Authorization`, and all that a page may read.

import { CallError } from '../../shared/errors.js'
import type { FlatHeaders } from '../../shared/frame.js'
import { type RequestHead, valuesOf } from './request-head.js'

/** Browsers remember an answer for two hours at most. */
const MAX_AGE_SECONDS = 7_200

const MAY_CALL: FlatHeaders = [
  'access-control-allow-methods',
  '*',
  // The wildcard leaves out this one.
  'access-control-allow-headers',
  'authorization, *',
  'access-control-max-age',
  String(MAX_AGE_SECONDS),
]
const MAY_READ: FlatHeaders = ['access-control-expose-headers', '*']
/** For caches: to pages of other origins the answer is another one. */
const VARIES: FlatHeaders = ['vary', 'Origin']
const WILDCARD = '://*.'
const SUBDOMAINS = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/

export class Cors {
  readonly #isForAll: boolean
  readonly #origins: ReadonlySet<string>
  /** What an origin begins and ends with, around its subdomain. */
  readonly #domains: readonly (readonly [scheme: string, domain: string])[]

  /** @param origins `https://app.example.com`, `https://*.example.com` (all subdomains), or `*` */
  constructor(origins: readonly string[]) {
    this.#isForAll = origins.includes('*')
    this.#origins = new Set(origins)
    this.#domains = origins.filter((origin) => origin.includes(WILDCARD)).map(splitAtWildcard)
  }

  /** What the answer to this request says of who may call and read it, names and values in turn. */
  fieldsFor(head: RequestHead): FlatHeaders {
    const what = isPreflight(head) ? MAY_CALL : MAY_READ
    if (this.#isForAll) return ['access-control-allow-origin', '*', ...what]
    const origin = originOf(head)
    if (origin === null || !this.#allows(origin)) return VARIES
    return ['access-control-allow-origin', origin, ...what, ...VARIES]
  }

  /**
   * Whether the page may call for which a browser asks with this request; null where the request is no such
   * question.
   */
  answer(head: RequestHead): 'yes' | CallError | null {
    if (!isPreflight(head)) return null
    const origin = originOf(head)!
    if (this.#allows(origin)) return 'yes'
    return new CallError('forbidden', `Pages of ${origin} may not call this gateway.`)
  }

  #allows(origin: string): boolean {
    if (this.#isForAll || this.#origins.has(origin)) return true
    return this.#domains.some(
      ([scheme, domain]) =>
        origin.startsWith(scheme) &&
        origin.endsWith(domain) &&
        SUBDOMAINS.test(origin.slice(scheme.length, -domain.length)),
    )
  }
}

/** Before a page calls, its browser asks. */
function isPreflight(head: RequestHead): boolean {
  return (
    head.method === 'OPTIONS' &&
    originOf(head) !== null &&
    valuesOf(head.headers, 'access-control-request-method').length > 0
  )
}

/** Browsers send one; two are nobody's. */
function originOf(head: RequestHead): string | null {
  const origins = valuesOf(head.headers, 'origin')
  return origins.length === 1 ? origins[0]! : null
}

function splitAtWildcard(origin: string): readonly [scheme: string, domain: string] {
  const at = origin.indexOf('*')
  return [origin.slice(0, at), origin.slice(at + 1)]
}
