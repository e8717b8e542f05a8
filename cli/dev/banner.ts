// What `callgate dev` says when everything is up: where it is, what it serves, and lines to paste.

import type { Manifest } from '../../shared/manifest.js'
import { redacted } from '../../shared/nats-url.js'
import { parseRoute } from '../../shared/route-pattern.js'

export interface BannerFacts {
  readonly url: string
  readonly adminUrl: string
  readonly natsUrl: string
  /** Null where tokens are not ours to make. */
  readonly token: string | null
  readonly manifests: readonly Manifest[]
  /** Files whose functions are not ready yet. */
  readonly loading: readonly string[]
  /** Folders that are watched. */
  readonly folders: readonly string[]
}

export function banner(facts: BannerFacts): string {
  const { url, adminUrl, natsUrl, token } = facts
  const tokenLines =
    token === null
      ? ['  token: one that your own keys have signed']
      : ['  token (valid for 12 hours)', `    ${token}`]
  const curls = curlLines(facts)
  return [
    '',
    'Callgate is up.',
    '',
    `  public  ${url}`,
    `  admin   ${adminUrl}/fleet`,
    `  nats    ${redacted(natsUrl)}`,
    '',
    '  functions',
    ...functionLines(facts),
    '',
    ...tokenLines,
    '',
    ...(curls.length === 0 ? [] : ['Paste this:', '', ...curls.map((line) => `  ${line}`), '']),
  ].join('\n')
}

function functionLines({ manifests, loading, folders }: BannerFacts): string[] {
  const rows = [
    ...manifests.flatMap(({ name, routes, auth }) =>
      (routes.length > 0 ? routes : ['(over NATS only)']).map(
        (route) => `    ${route.padEnd(28)} ${name}${auth === 'public' ? ' (public)' : ''}`,
      ),
    ),
    ...loading.map((file) => `    ${'(not ready yet)'.padEnd(28)} ${file}`),
  ]
  if (rows.length > 0) return rows
  return [
    '    none yet',
    ...folders.map((folder) => `    Save a script in ${folder} that exports a \`defineFunction\`.`),
  ]
}

/** A public GET, one that needs the token, and a POST: as far as there are such. */
function curlLines({ url, token, manifests }: BannerFacts): string[] {
  const routes = manifests
    .flatMap((manifest) => manifest.routes.map((route) => ({ ...parseRoute(route), manifest })))
    .filter(({ host, path, manifest }) => {
      return host === undefined && !/[:*]/.test(path) && manifest.form === 'run'
    })
  const isOpen = ({ manifest }: (typeof routes)[number]) => manifest.auth === 'public'
  const picked = [
    routes.find((route) => route.method === 'GET' && isOpen(route)),
    routes.find((route) => route.method === 'GET' && !isOpen(route)),
    routes.find((route) => route.method === 'POST'),
  ].filter((route) => route !== undefined)
  return picked.map((route) => {
    const auth = isOpen(route) ? '' : ` -H 'authorization: Bearer ${token ?? '<your token>'}'`
    const body =
      route.method === 'POST' ? ` -H 'content-type: application/json' -d '{"message":"hi"}'` : ''
    return `curl '${url}${route.path}'${auth}${body}`
  })
}
