import { join } from 'node:path'
import type { Generator, LoadResult } from './load.js'
import { generatorTimeoutMs } from './load.js'

const PROGRAM = join(import.meta.dirname, 'autocannon-process.js')

export const autocannonGenerator: Generator = async (testbed, load) => {
  const command = [process.execPath, PROGRAM, JSON.stringify(load)]
  const output = await testbed.run('autocannon', command, generatorTimeoutMs(load))
  return JSON.parse(output) as LoadResult
}
