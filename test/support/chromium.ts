// A headless Chromium with one page, driven over its debugging protocol: enough to load a page, run script
// in it, and hear what went wrong there. Never downloaded; a test skips where there is none.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { WebSocket } from 'ws'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']
const LOOK_MS = 20
const GIVE_UP_MS = 20_000

const FLAGS = [
  '--headless=new',
  '--remote-debugging-port=0',
  '--no-first-run',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--window-size=1000,1400',
  // Its sandbox needs rights that a container or root does not have; it sees our own page only.
  '--no-sandbox',
]

/** The path of an installed Chromium; undefined where there is none. CHROMIUM names another. */
export function findChromium(): string | undefined {
  const named = process.env.CHROMIUM
  if (named !== undefined) return named
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(existsSync)
}

interface Pending {
  resolve(result: Record<string, unknown>): void
  reject(error: Error): void
}

export class ChromiumPage {
  /** Uncaught errors, failed requests and error messages of the console, as they came. */
  readonly faults: string[] = []
  readonly #socket: WebSocket
  readonly #pending = new Map<number, Pending>()
  #lastId = 0
  #sessionId: string | undefined

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data) => this.#onMessage(JSON.parse(String(data))))
  }

  /** Starts a browser that ends with the test. */
  static async open(t: Test, path: string, url: string): Promise<ChromiumPage> {
    const profile = await mkdtemp(join(tmpdir(), 'callgate-chromium-'))
    const browser = spawn(path, [...FLAGS, `--user-data-dir=${profile}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    t.teardown(async () => {
      if (browser.exitCode === null && browser.kill()) await once(browser, 'exit')
      await rm(profile, { recursive: true, force: true, maxRetries: 5 })
    })
    const socket = new WebSocket(await debuggingUrl(browser), { perMessageDeflate: false })
    await once(socket, 'open')
    t.teardown(() => socket.terminate())
    const page = new ChromiumPage(socket)
    const { targetId } = await page.#send('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await page.#send('Target.attachToTarget', { targetId, flatten: true })
    page.#sessionId = sessionId as string
    for (const domain of ['Runtime', 'Page', 'Log']) await page.#send(`${domain}.enable`)
    await page.#send('Page.navigate', { url })
    await page.until(`document.readyState === 'complete' && location.href !== 'about:blank'`)
    return page
  }

  /** The value of an expression in the page; a promise is awaited. */
  async evaluate(expression: string): Promise<unknown> {
    const answer = await this.#send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
      userGesture: true,
    })
    const { result, exceptionDetails } = answer as {
      result: { value?: unknown }
      exceptionDetails?: { text: string; exception?: { description?: string } }
    }
    if (exceptionDetails === undefined) return result.value
    throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
  }

  /** Resolves when the expression is true; throws what the page says when it never is. */
  async until(expression: string): Promise<void> {
    const untilMs = performance.now() + GIVE_UP_MS
    while (!(await this.evaluate(`Boolean(${expression})`))) {
      if (performance.now() > untilMs) {
        const text = await this.evaluate('document.body.innerText')
        throw new Error(`Never true: ${expression}\n${text}\n${this.faults.join('\n')}`)
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }

  async screenshot(): Promise<Buffer> {
    const { data } = await this.#send('Page.captureScreenshot', {
      format: 'png',
      captureBeyondViewport: true,
    })
    return Buffer.from(data as string, 'base64')
  }

  #send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#lastId
    const sessionId = this.#sessionId
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }))
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }))
  }

  #onMessage(message: DebuggingMessage): void {
    const { id, result, error, method, params } = message
    if (id !== undefined) {
      const pending = this.#pending.get(id)
      this.#pending.delete(id)
      if (error === undefined) pending?.resolve(result ?? {})
      else pending?.reject(new Error(error.message))
    }
    if (method === 'Runtime.exceptionThrown') {
      const details = params?.exceptionDetails
      this.faults.push(details?.exception?.description ?? details?.text ?? 'an exception')
    }
    if (method === 'Log.entryAdded' && params?.entry?.level === 'error') {
      this.faults.push(`${params.entry.text} ${params.entry.url ?? ''}`)
    }
  }
}

interface DebuggingMessage {
  readonly id?: number
  readonly result?: Record<string, unknown>
  readonly error?: { readonly message: string }
  readonly method?: string
  readonly params?: {
    readonly exceptionDetails?: { text: string; exception?: { description?: string } }
    readonly entry?: { level: string; text: string; url?: string }
  }
}

/** Chromium says on stderr where its debugger listens. */
async function debuggingUrl(browser: ChildProcess): Promise<string> {
  for await (const line of createInterface(browser.stderr!)) {
    const url = /^DevTools listening on (\S+)/.exec(line)?.[1]
    if (url === undefined) continue
    browser.stderr!.resume()
    return url
  }
  throw new Error('Chromium ended before it could be talked to.')
}
