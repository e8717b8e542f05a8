import { randomBytes } from 'node:crypto'
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Test, test } from 'tap'
import { loadUws } from '../../../gateway/front/uws.js'
import {
  BINARY_SHA256,
  correctBinary,
  glibcSupport,
  sha256,
} from '../../../gateway/front/uws-glibc.js'

const packageDirectory = dirname(createRequire(import.meta.url).resolve('uWebSockets.js'))
const cacheHome = mkdtempSync(join(tmpdir(), 'callgate-test-'))
process.env.XDG_CACHE_HOME = cacheHome

process.once('exit', () => rmSync(cacheHome, { recursive: true, force: true }))
const uws = await loadUws()

function serve(t: Test): Promise<string> {
  return new Promise((resolve, reject) => {
    const app = uws.App().get('/', (res) => {
      res.end('served')
    })
    app.listen('127.0.0.1', 0, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
      if (!socket) return reject(new Error('no port'))
      t.after(() => uws.us_listen_socket_close(socket))
      resolve(`http://127.0.0.1:${uws.us_socket_local_port(socket)}`)
    })
  })
}

test('serves a request, without naming the engine', async (t) => {
  const response = await fetch(await serve(t), { headers: { connection: 'close' } })
  t.equal(await response.text(), 'served')
  t.equal(response.headers.get('uwebsockets'), null)
})

test('headers of 8 KiB pass, headers above 16 KiB get 431', async (t) => {
  const origin = await serve(t)
  const withHeaderOf = (bytes: number) =>
    fetch(origin, { headers: { authorization: 'x'.repeat(bytes), connection: 'close' } })
  t.equal((await withHeaderOf(8 * 1024)).status, 200)
  t.equal((await withHeaderOf(15 * 1024)).status, 200)
  t.equal((await withHeaderOf(17 * 1024)).status, 431)
})

test('a second call gives the same module, and cannot change the header limit', async (t) => {
  t.equal(await loadUws(), uws)
  t.equal(await loadUws({ maxHeaderBytes: 16 * 1024 }), uws)
  await t.rejects(loadUws({ maxHeaderBytes: 32 * 1024 }), /already runs with maxHeaderBytes 16384/)
})

const glibcVersion = (process.report.getReport() as { header: { glibcVersionRuntime?: string } })
  .header.glibcVersionRuntime
const isCorrected = process.platform === 'linux' && glibcSupport(glibcVersion) === 'corrected'

test('the corrected copy lies where only its owner can write', { skip: !isCorrected }, (t) => {
  const directory = join(cacheHome, 'callgate')
  t.equal(lstatSync(directory).mode & 0o777, 0o700)
  const files = readdirSync(directory)
  t.equal(files.length, 1, 'and nothing unfinished lies beside it')
  const name = `uws_linux_${process.arch}_${process.versions.modules}.node`
  const copy = readFileSync(join(directory, files[0]!))
  t.equal(sha256(copy), BINARY_SHA256[name]!.corrected)
  t.end()
})

for (const [name, known] of Object.entries(BINARY_SHA256)) {
  test(`corrects ${name} to the pinned bytes`, (t) => {
    const original = readFileSync(join(packageDirectory, name))
    const before = Buffer.from(original)
    const corrected = correctBinary(name, original)
    t.equal(sha256(corrected), known.corrected)
    t.ok(original.equals(before), 'the original is left as it was')
    t.equal(corrected.length, original.length)
    t.equal(corrected.indexOf(0x7f), 0)
    t.end()
  })
}

test('every Linux binary in the package is known', (t) => {
  const shipped = readdirSync(packageDirectory).filter((file) => file.startsWith('uws_linux_'))
  t.same(Object.keys(BINARY_SHA256).sort(), shipped.sort())
  t.end()
})

test('a binary that differs from the published one by a bit is refused', (t) => {
  const name = 'uws_linux_x64_115.node'
  const original = readFileSync(join(packageDirectory, name))
  original[original.length >> 1]! ^= 1
  t.throws(() => correctBinary(name, original), /not the file that .* published/)
  t.throws(() => correctBinary(name, randomBytes(64)), /not the file that .* published/)
  t.throws(() => correctBinary('uws_linux_x64_1.node', original), /not a binary/)
  t.end()
})

test('says which C libraries can run it', (t) => {
  t.equal(glibcSupport('2.35'), 'unsupported')
  t.equal(glibcSupport('2.36'), 'corrected')
  t.equal(glibcSupport('2.37'), 'corrected')
  t.equal(glibcSupport('2.38'), 'as_published')
  t.equal(glibcSupport('2.41'), 'as_published')
  t.equal(glibcSupport('3.0'), 'as_published')
  t.equal(glibcSupport(undefined), 'unsupported', 'musl')
  t.end()
})
