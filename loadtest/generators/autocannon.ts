import { type Generator, generatorTimeoutMs, type LoadResult } from './load.js'
import { runGenerator } from './run-generator.js'

export const autocannonGenerator: Generator = (testbed, load) =>
  runGenerator<LoadResult>(testbed, 'generators/autocannon-process', load, generatorTimeoutMs(load))
