// Bounds what a connection may hold in the kernel of what its client sends.
//
// uWebSockets.js reads a connection, paused or not, for as long as every read fills its 512 KiB. The kernel
// lets a buffer grow to several MiB, so over a fast network an upload comes in as fast as its client can
// send, whatever we say: 1 GiB from the same machine took 866 MiB in the gateway, and takes 133 with a
// buffer that no read of the engine can fill. Neither the engine nor Node sets that option of a socket, so
// libc does, on the listening socket: its connections inherit it.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

const SOL_SOCKET = 1
const SO_RCVBUF = 8
/** In /proc/net/tcp. */
const LISTENING = '0A'

/**
 * Sets it for all connections yet to come to this process' listening socket on `port`.
 * @param bytes below 512 KiB; the kernel's `net.core.rmem_max` bounds it, too
 * @returns why not, where it could not be done
 */
export async function setReceiveBuffer(port: number, bytes: number): Promise<string | null> {
  if (process.platform !== 'linux') return `not on ${process.platform}`
  try {
    const { default: koffi } = await import('koffi')
    const setsockopt = koffi
      .load(null)
      .func('int setsockopt(int socket, int level, int name, const int *value, unsigned int bytes)')
    const sockets = listeningSockets(port)
    if (sockets.length === 0) return 'the listening socket was not found'
    for (const socket of sockets) {
      if (setsockopt(socket, SOL_SOCKET, SO_RCVBUF, [bytes], 4) !== 0) return 'the kernel refused'
    }
    return null
  } catch (error) {
    return (error as Error).message
  }
}

/** File descriptors of this process. */
function listeningSockets(port: number): number[] {
  const inodes = new Set(['tcp', 'tcp6'].flatMap((table) => listeningInodes(table, port)))
  return readdirSync('/proc/self/fd').flatMap((name) => {
    const inode = inodeOf(name)
    return inode !== null && inodes.has(inode) ? [Number(name)] : []
  })
}

function listeningInodes(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  let text: string
  try {
    text = readFileSync(`/proc/self/net/${table}`, 'utf8')
  } catch {
    // Without IPv6 there is no table for it.
    return []
  }
  return text.split('\n').flatMap((line) => {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/)
    return local?.endsWith(suffix) && state === LISTENING && inode !== undefined ? [inode] : []
  })
}

function inodeOf(name: string): string | null {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${name}`))?.[1] ?? null
  } catch {
    // The directory's own descriptor is closed by now.
    return null
  }
}
