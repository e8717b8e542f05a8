// Tells when a nats-server is ready and on which port. nats-server writes a ports file once it
// listens, the only way to learn a port that the kernel chose; the file's arrival wakes us. A TCP
// connection that is greeted with INFO then proves that it serves. nats-server.ts calls this.

import { watch } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'

// Some file systems send no events (network and container mounts), so look again this often too.
const RECHECK_MS = 200

/** Resolves with the client port. Rejects with the signal's reason when that aborts. */
export async function serverReady(options: {
  readonly portsDir: string
  readonly pid: number
  readonly host: string
  readonly signal: AbortSignal
}): Promise<number> {
  const { portsDir, pid, host, signal } = options
  const port = await portOf(portsDir, pid, signal)
  await greeted(host, port, signal)
  return port
}

function portOf(portsDir: string, pid: number, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const look = async () => {
      const port = await readPort(portsDir, pid)
      if (port !== undefined) end(() => resolve(port))
    }
    const watcher = watchIfPossible(portsDir, look)
    const timer = setInterval(look, RECHECK_MS)
    const abort = () => end(() => reject(signal.reason))
    const end = (settle: () => void) => {
      watcher?.close()
      clearInterval(timer)
      signal.removeEventListener('abort', abort)
      settle()
    }
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    else void look()
  })
}

// The kernel's watches may be used up; the timer alone does it then.
function watchIfPossible(directory: string, onChange: () => void) {
  try {
    return watch(directory, onChange).on('error', () => {})
  } catch {
    return undefined
  }
}

// The file is named after the executable and the pid, and is not written atomically.
async function readPort(portsDir: string, pid: number): Promise<number | undefined> {
  try {
    const name = (await readdir(portsDir)).find((entry) => entry.endsWith(`_${pid}.ports`))
    if (name === undefined) return undefined
    const ports: { nats?: string[] } = JSON.parse(await readFile(join(portsDir, name), 'utf8'))
    const port = Number(/:(\d+)$/.exec(ports.nats?.[0] ?? '')?.[1])
    return Number.isInteger(port) ? port : undefined
  } catch {
    return undefined
  }
}

function greeted(host: string, port: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    const abort = () => end(() => reject(signal.reason))
    const end = (settle: () => void) => {
      signal.removeEventListener('abort', abort)
      socket.destroy()
      settle()
    }
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    socket.once('error', (error) => end(() => reject(error)))
    socket.once('close', () => end(() => reject(new Error('nats-server closed a connection.'))))
    socket.once('data', (bytes) => {
      if (bytes.subarray(0, 5).toString('latin1') === 'INFO ') return end(resolve)
      end(() => reject(new Error(`What listens on port ${port} is not a nats-server.`)))
    })
  })
}
