// What `callgate dev` says when everything is up: where it is, what it serves, and lines to paste.

import type { Manifest } from '../../shared/manifest.js'
import { parseRoute } from '../../shared/route-pattern.js'

export interface BannerFacts {
  readonly url: string
  readonly adminUrl: string
  readonly natsUrl: string
  readonly token: string
  readonly manifests: readonly Manifest[]
}

export function banner(facts: BannerFacts): string {
  const { url, adminUrl, natsUrl, token, manifests } = facts
  const rows = manifests.flatMap(({ name, routes, auth }) =>
    routes.map((route) => `    ${route.padEnd(28)} ${name}${auth === 'public' ? ' (public)' : ''}`),
  )
  return [
    '',
    'Callgate is up.',
    '',
    `  public  ${url}`,
    `  admin   ${adminUrl}/fleet`,
    `  nats    ${natsUrl}`,
    '',
    '  functions',
    ...rows,
    '',
    '  token (valid for 12 hours)',
    `    ${token}`,
    '',
    'Paste this:',
    '',
    ...curlLines(facts).map((line) => `  ${line}`),
    '',
  ].join('\n')
}

/** A public GET where there is one, and a call with the token. */
function curlLines({ url, token, manifests }: BannerFacts): string[] {
  const routes = manifests.flatMap((manifest) =>
    manifest.routes.map((route) => ({ ...parseRoute(route), manifest })),
  )
  const plain = routes.filter(({ host, path }) => host === undefined && !/[:*]/.test(path))
  const open = plain.find(({ method, manifest }) => method === 'GET' && manifest.auth === 'public')
  const closed = plain.find(
    ({ method, manifest }) =>
      method === 'POST' && manifest.auth !== 'public' && manifest.form === 'run',
  )
  const lines: string[] = []
  if (open !== undefined) lines.push(`curl ${url}${open.path}`)
  if (closed !== undefined) {
    lines.push(
      `curl ${url}${closed.path} -H 'authorization: Bearer ${token}' -H 'content-type: application/json' -d '{"message":"hi"}'`,
    )
  }
  return lines
}
