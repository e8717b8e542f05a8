// Versions and weights as the user writes them, and as they are told.

import type { Deployment } from '../shared/deployment.js'
import { FUNCTION_NAME, FUNCTION_VERSION } from '../shared/manifest.js'
import type { Registry } from '../shared/registry.js'
import { UserFailure } from './failure.js'

export function checkedVersion(text: string): string {
  if (FUNCTION_VERSION.test(text)) return text
  throw new UserFailure(
    `--version: ${JSON.stringify(text)} is not a version's name; use letters, digits, - and _, 63 at most.`,
  )
}

/** @param flag how the user has called it */
export function percent(text: string, flag = '--weight'): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= 0 && value <= 100) return value
  throw new UserFailure(`${flag}: ${JSON.stringify(text)} is not a number from 0 to 100.`)
}

/** Throws a UserFailure where there is no such function. */
export async function deploymentIn(registry: Registry, name: string): Promise<Deployment> {
  const deployment = FUNCTION_NAME.test(name) ? (await registry.list()).get(name) : undefined
  if (deployment === undefined) {
    throw new UserFailure(`There is no function ${name} in the registry.`)
  }
  return deployment
}

/** Throws a UserFailure for a version that the function does not have. */
export function checkHas(deployment: Deployment, version: string): void {
  if (deployment.versions.has(version)) return
  const known = [...deployment.versions.keys()].sort().join(', ')
  throw new UserFailure(
    `${deployment.manifest.name} has no version ${version}; it has ${known}. Deploy it first.`,
  )
}

/** One line for each version, with its share of the calls. */
export async function printTraffic(registry: Registry, name: string): Promise<void> {
  const { versions, traffic } = await deploymentIn(registry, name)
  const total = [...versions.keys()].reduce((sum, version) => sum + (traffic?.[version] ?? 0), 0)
  process.stdout.write(`${name}\n`)
  for (const version of [...versions.keys()].sort()) {
    const share = traffic === null ? 100 : ((traffic[version] ?? 0) / total) * 100
    process.stdout.write(`  ${version} ${Math.round(share * 10) / 10} %\n`)
  }
}
