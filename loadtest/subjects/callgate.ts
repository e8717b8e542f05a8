import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ALGORITHM } from '../access-token.js'
import { freePort } from '../free-port.js'
import { REPOSITORY } from '../testbed.js'
import type { StartSubject, SubjectOptions, SubjectProcess } from './subject.js'

/** The gateway, NATS and the runners. */
export const startCallgate: StartSubject = async (testbed, options) => {
  const { nats, jwksFile, functions, logLevel } = options
  const program = join(REPOSITORY, 'dist', 'cli', 'main.js')
  if (!existsSync(program)) {
    throw new Error('dist/cli/main.js is missing: build Callgate first, with npm run build.')
  }
  const shared = ['--nats-url', nats.url, ...(logLevel ? ['--log-level', logLevel] : [])]
  const node = (name: string) => [process.execPath, ...profiling(name, options), program]

  // Not port 0: the log, which tells the port that was taken, may be off.
  const port = await freePort()
  const listen = ['--host', '127.0.0.1', '--port', String(port), '--admin-port', '0']
  const verify = ['--jwks-file', jwksFile, '--algorithms', ALGORITHM]
  const gateway = await testbed.startServer('callgate gateway', [
    ...[...node('gateway'), 'gateway', ...shared, ...listen, ...verify],
  ])
  const runners: SubjectProcess[] = []
  for (const [index, name] of functions.entries()) {
    const others = functions.slice(0, index).filter((other) => other === name).length
    const number = others === 0 ? '' : ` ${others + 1}`
    const label = (new Set(functions).size === 1 ? 'runner' : `${name} runner`) + number
    const { pid } = await testbed.startServer(`callgate ${label}`, [
      ...[...node(label), 'runner', join(REPOSITORY, 'examples', `${name}.ts`), ...shared],
    ])
    runners.push({ name: label, pid })
  }
  return {
    name: 'callgate',
    origin: `http://127.0.0.1:${port}`,
    processes: [
      { name: 'gateway', pid: gateway.pid },
      { name: 'nats-server', pid: nats.pid },
      ...runners,
    ],
  }
}

function profiling(name: string, { profileDirectory }: SubjectOptions): string[] {
  if (profileDirectory === undefined) return []
  // A folder for each, because the processes that they start get the same arguments.
  return ['--cpu-prof', `--cpu-prof-dir=${join(profileDirectory, name)}`]
}
