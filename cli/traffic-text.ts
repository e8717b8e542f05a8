// Versions and weights as the user writes them, and as they are told.

import { type Deployment, sharesOf, type Traffic, weightOf } from '../shared/deployment.js'
import { FUNCTION_VERSION } from '../shared/manifest.js'
import { UsageFailure, UserFailure } from './failure.js'

/** @param source where the user has written it */
export function checkedVersion(text: string, source = '--version'): string {
  if (FUNCTION_VERSION.test(text)) return text
  throw new UsageFailure(
    `${source}: ${JSON.stringify(text)} is not a version's name; use letters, digits, - and _, 63 at most.`,
  )
}

/** @param flag how the user has called it */
export function percent(text: string, flag = '--weight'): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= 0 && value <= 100) return value
  throw new UsageFailure(`${flag}: ${JSON.stringify(text)} is not a number from 0 to 100.`)
}

/** Throws a UserFailure where there is no such function. */
export function deploymentIn(
  deployments: ReadonlyMap<string, Deployment>,
  name: string,
): Deployment {
  const deployment = deployments.get(name)
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

/** As `callgate traffic` takes them: `main=90 v2=10` */
export function weightsText(traffic: Traffic): string {
  return Object.entries(traffic)
    .map(([version, weight]) => `${version}=${weight}`)
    .join(' ')
}

/** One line for each version, with its share of the calls. */
export function printTraffic(deployment: Deployment): void {
  const shares = sharesOf(deployment)
  process.stdout.write(`${deployment.manifest.name}\n`)
  for (const version of [...deployment.versions.keys()].sort()) {
    process.stdout.write(`  ${version} ${Math.round(weightOf(shares, version) * 10) / 10} %\n`)
  }
}
