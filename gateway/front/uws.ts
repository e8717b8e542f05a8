// The one place that loads uWebSockets.js, a native module with no home on npm. package.json
// takes it from @btc-vision/uwebsockets.js@20.57.0; the official build is a one-line swap there
// ("uWebSockets.js": "github:uNetworking/uWebSockets.js#v20.57.0"), and is loaded unchanged.
// On glibc 2.36 and 2.37 the pinned build loads from a corrected copy (see uws-glibc.ts), which
// this file owns: private directory, atomic write, hash checked before every load. That part
// can go with Debian 12. Called once by gateway/main; everything in front/ is given the result.

import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import {
  BINARY_SHA256,
  CORRECTABLE_PACKAGE,
  correctBinary,
  glibcSupport,
  sha256,
} from './uws-glibc.js'

// What the module has and its own types leave out.
declare module 'uWebSockets.js' {
  /** Refuses a port that another process listens on; the default shares it without a word. */
  const LIBUS_LISTEN_EXCLUSIVE_PORT: ListenOptions
  interface TemplatedApp {
    listen(
      host: RecognizedString,
      port: number,
      options: ListenOptions,
      callback: (listenSocket: us_listen_socket | false) => void,
    ): TemplatedApp
  }
  // A message in several frames, as its pieces come.
  interface WebSocket<UserData> {
    sendFirstFragment(message: RecognizedString, isBinary?: boolean, compress?: boolean): number
    sendFragment(message: RecognizedString, compress?: boolean): number
    sendLastFragment(message: RecognizedString, compress?: boolean): number
  }
}

export type Uws = typeof import('uWebSockets.js')

/** uWebSockets.js cannot run here; the message is one sentence for the operator. */
export class UwsUnavailable extends Error {
  override name = 'UwsUnavailable'
}

// Tokens and cookies outgrow the engine's own 4096 bytes; node:http allows 16 KiB as well.
const DEFAULT_MAX_HEADER_BYTES = 16 * 1024

const require = createRequire(import.meta.url)
let loaded: { uws: Promise<Uws>; maxHeaderBytes: number } | undefined

/**
 * Loads uWebSockets.js once per process and returns the same module ever after.
 * @param options.maxHeaderBytes request line and headers together; more is answered 431.
 *   Default 16 KiB. The engine reads it once, so a later call cannot change it.
 * @throws UwsUnavailable where the module does not run on this system.
 */
export function loadUws(options: { maxHeaderBytes?: number | undefined } = {}): Promise<Uws> {
  const { maxHeaderBytes } = options
  loaded ??= start(maxHeaderBytes ?? DEFAULT_MAX_HEADER_BYTES)
  if (maxHeaderBytes !== undefined && maxHeaderBytes !== loaded.maxHeaderBytes) {
    return Promise.reject(
      new Error(`uWebSockets.js already runs with maxHeaderBytes ${loaded.maxHeaderBytes}.`),
    )
  }
  return loaded.uws
}

function start(maxHeaderBytes: number) {
  return { uws: load(maxHeaderBytes), maxHeaderBytes }
}

async function load(maxHeaderBytes: number): Promise<Uws> {
  process.env.UWS_HTTP_MAX_HEADERS_SIZE = String(maxHeaderBytes)
  const packageDirectory = dirname(require.resolve('uWebSockets.js'))
  if (isCorrectable(packageDirectory)) substituteBinary(packageDirectory)
  let uws: Uws & { _cfg(option: 'silent'): void }
  try {
    uws = require('uWebSockets.js')
  } catch (cause) {
    throw new UwsUnavailable(
      `uWebSockets.js does not load on ${systemInWords()}: use Node 20, 22 or 24 on macOS, on ` +
        'Windows, or on Linux with glibc 2.38 or newer (2.36 with the build that Callgate pins).',
      { cause },
    )
  }
  // Without this every response carries a `uWebSockets: 20` header.
  uws._cfg('silent')
  return uws
}

function isCorrectable(packageDirectory: string): boolean {
  if (process.platform !== 'linux') return false
  const manifest = JSON.parse(readFileSync(join(packageDirectory, 'package.json'), 'utf8'))
  if (`${manifest.name}@${manifest.version}` !== CORRECTABLE_PACKAGE) return false
  const support = glibcSupport(runtimeGlibcVersion())
  if (support === 'unsupported') {
    throw new UwsUnavailable(
      `uWebSockets.js needs glibc 2.36 or newer and this is ${systemInWords()}: use Debian 12, ` +
        'Ubuntu 24.04 or newer, or a container image such as node:22-bookworm-slim.',
    )
  }
  return support === 'corrected' && binaryName() in BINARY_SHA256
}

/** Lets the package's own uws.js find the corrected binary where it looks for the published one. */
function substituteBinary(packageDirectory: string): void {
  const published = join(packageDirectory, binaryName())
  const corrected = correctedBytes(published)
  const cacheDirectory = privateCacheDirectory()
  const directory = cacheDirectory ?? mkdtempSync(join(tmpdir(), 'callgate-'))
  try {
    const copy = join(directory, `${sha256(corrected).slice(0, 16)}-${binaryName()}`)
    if (!holds(copy, corrected)) writeAtomically(copy, corrected)
    require(copy)
    require.cache[published] = require.cache[copy]
  } catch (cause) {
    throw new UwsUnavailable(
      `uWebSockets.js could not be loaded from ${directory}: set XDG_CACHE_HOME to a directory ` +
        'of your own on a file system that is mounted without noexec.',
      { cause },
    )
  } finally {
    // Once loaded the mapping outlives the file, so nothing is left behind in the temporary directory.
    if (cacheDirectory === undefined) rmSync(directory, { recursive: true, force: true })
  }
}

function correctedBytes(published: string): Buffer {
  try {
    return correctBinary(binaryName(), readFileSync(published))
  } catch (cause) {
    throw new UwsUnavailable((cause as Error).message, { cause })
  }
}

/** A directory that nobody else can write or replace, or undefined where there is none. */
function privateCacheDirectory(): string | undefined {
  const directory = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'callgate')
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const own = lstatSync(directory)
    const isPrivate = own.isDirectory() && own.uid === process.geteuid!() && !(own.mode & 0o077)
    return isPrivate && areParentsSafe(realpathSync(directory)) ? directory : undefined
  } catch {
    return undefined
  }
}

// Whoever can write a parent can rename the directory away and put another in its place, unless
// the parent is sticky, as /tmp is.
function areParentsSafe(directory: string): boolean {
  const parent = dirname(directory)
  if (parent === directory) return true
  const { uid, mode } = statSync(parent)
  const isOwnedSafely = uid === 0 || uid === process.geteuid!()
  const isWriteSafe = !(mode & 0o022) || Boolean(mode & 0o1000)
  return isOwnedSafely && isWriteSafe && areParentsSafe(parent)
}

function holds(path: string, bytes: Buffer): boolean {
  try {
    return lstatSync(path).isFile() && readFileSync(path).equals(bytes)
  } catch {
    return false
  }
}

// Many gateways may start at once: each writes its own file, and the last rename wins with the
// same bytes.
function writeAtomically(path: string, bytes: Buffer): void {
  const unfinished = `${path}.${process.pid}`
  rmSync(unfinished, { force: true })
  writeFileSync(unfinished, bytes, { mode: 0o600, flag: 'wx' })
  renameSync(unfinished, path)
}

function binaryName(): string {
  return `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`
}

function runtimeGlibcVersion(): string | undefined {
  // The report resolves the name of every network address unless told not to: seconds, at worst.
  const report = process.report as typeof process.report & { excludeNetwork?: boolean }
  const { excludeNetwork } = report
  report.excludeNetwork = true
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
    return header?.glibcVersionRuntime
  } finally {
    if (excludeNetwork !== undefined) report.excludeNetwork = excludeNetwork
  }
}

function systemInWords(): string {
  const glibc = process.platform === 'linux' ? runtimeGlibcVersion() : undefined
  const library = process.platform !== 'linux' ? '' : glibc ? `, glibc ${glibc}` : ', no glibc'
  return `Node ${process.versions.node}, ${process.platform} ${process.arch}${library}`
}
