// The kernel's side of a listening socket: options that neither the engine nor Node sets, so libc does.
// Connections inherit them.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type koffi from 'koffi'

const SOL_SOCKET = 1
const SO_RCVBUF = 8
const SO_ATTACH_FILTER = 26
const TABLE_DIRECTORY = '/proc/self/net'
const TABLES = ['tcp', 'tcp6']
/** In the tables. */
const LISTENING = '0A'
const IN_HANDSHAKE = '03'

/** One instruction of a socket filter (classic BPF): code, jump if true, jump if false, operand. */
export type FilterInstruction = readonly [number, number, number, number]
const INSTRUCTION_BYTES = 8

type NativeType = Parameters<typeof koffi.sizeof>[0]
type SetOption = (
  socket: number,
  level: number,
  name: number,
  value: unknown,
  bytes: number,
) => number

/** It cannot be done here; the message says why. */
export class KernelRefusal extends Error {
  override readonly name = 'KernelRefusal'
}

export class KernelSocket {
  readonly #descriptors: readonly number[]
  readonly #setNumber: SetOption
  readonly #setFilter: SetOption
  readonly #filterBytes: number

  private constructor(
    descriptors: readonly number[],
    setNumber: SetOption,
    setFilter: SetOption,
    filterBytes: number,
  ) {
    this.#descriptors = descriptors
    this.#setNumber = setNumber
    this.#setFilter = setFilter
    this.#filterBytes = filterBytes
  }

  /**
   * What this process listens on `port` with. Throws a KernelRefusal.
   * @param others sockets that were there before: a shared port may be another's in this process, too
   */
  static async listeningOn(port: number, others: ReadonlySet<number>): Promise<KernelSocket> {
    if (process.platform !== 'linux') throw new KernelRefusal(`not on ${process.platform}`)
    const descriptors = listeningSockets(port).filter((descriptor) => !others.has(descriptor))
    if (descriptors.length === 0) throw new KernelRefusal('the listening socket was not found')
    try {
      const { default: native } = await import('koffi')
      const libc = native.load(null)
      const program = native.struct({ length: 'uint16', instructions: 'void *' })
      const optionOf = (value: NativeType): SetOption =>
        libc.func('setsockopt', 'int', ['int', 'int', 'int', native.pointer(value), 'uint'])
      return new KernelSocket(
        descriptors,
        optionOf('int'),
        optionOf(program),
        native.sizeof(program),
      )
    } catch (error) {
      throw new KernelRefusal((error as Error).message)
    }
  }

  /** For all connections yet to come; the kernel's `net.core.rmem_max` bounds it, too. Throws a KernelRefusal. */
  setReceiveBuffer(bytes: number): void {
    this.#set(this.#setNumber, SO_RCVBUF, [bytes], 4)
  }

  /** Lets the kernel drop what comes to it unless the program says otherwise. Throws a KernelRefusal. */
  filter(program: readonly FilterInstruction[]): void {
    const instructions = Buffer.alloc(program.length * INSTRUCTION_BYTES)
    const view = new DataView(instructions.buffer, instructions.byteOffset)
    for (const [index, [code, ifTrue, ifFalse, operand]] of program.entries()) {
      const at = index * INSTRUCTION_BYTES
      // Of the machine's byte order, which is the little one wherever the engine runs.
      view.setUint16(at, code, true)
      view.setUint8(at + 2, ifTrue)
      view.setUint8(at + 3, ifFalse)
      view.setUint32(at + 4, operand, true)
    }
    const value = { length: program.length, instructions }
    this.#set(this.#setFilter, SO_ATTACH_FILTER, value, this.#filterBytes)
  }

  #set(set: SetOption, name: number, value: unknown, bytes: number): void {
    for (const descriptor of this.#descriptors) {
      if (set(descriptor, SOL_SOCKET, name, value, bytes) !== 0) {
        throw new KernelRefusal('the kernel refused')
      }
    }
  }
}

/** Loads, ahead of its use, what calls libc. What is wrong with it is told by `listeningOn`. */
export async function prepareKernelSockets(): Promise<void> {
  if (process.platform === 'linux') await import('koffi').catch(() => {})
}

/** Whether a client has knocked on `port`, of this process or another, and is not connected yet. */
export async function hasHandshakes(port: number): Promise<boolean> {
  const tables = await Promise.all(
    TABLES.map((table) => readFile(`${TABLE_DIRECTORY}/${table}`, 'utf8').catch(() => '')),
  )
  return tables.some((table) => inodesIn(table, port, IN_HANDSHAKE).length > 0)
}

/** Descriptors of this process' sockets that listen on `port`. */
export function listeningSockets(port: number): number[] {
  if (process.platform !== 'linux') return []
  const inodes = new Set(TABLES.flatMap((name) => inodesIn(tableNow(name), port, LISTENING)))
  return readdirSync('/proc/self/fd').flatMap((name) => {
    const inode = inodeOf(name)
    return inode !== null && inodes.has(inode) ? [Number(name)] : []
  })
}

function tableNow(name: string): string {
  try {
    return readFileSync(`${TABLE_DIRECTORY}/${name}`, 'utf8')
  } catch {
    // Without IPv6 there is no table for it.
    return ''
  }
}

/** Of sockets whose local end is `port`. The table may have a line for each of very many connections. */
function inodesIn(table: string, port: number, state: string): string[] {
  const local = port.toString(16).toUpperCase().padStart(4, '0')
  const line = new RegExp(`:${local} [0-9A-F]+:[0-9A-F]{4} ${state}(?: +\\S+){5} +(\\d+)`, 'g')
  return Array.from(table.matchAll(line), ([, inode]) => inode!)
}

function inodeOf(name: string): string | null {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${name}`))?.[1] ?? null
  } catch {
    // The directory's own descriptor is closed by now.
    return null
  }
}
