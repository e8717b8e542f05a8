// What the rest of the code knows of NATS: publish, subscribe, and whether the connection stands.
// `nats.ts` makes one of a real connection.

export interface BusMessage {
  readonly subject: string
  readonly payload: Uint8Array
  /** True for the server's answer to a message with a reply-to that nobody is subscribed to. */
  readonly noResponders: boolean
}

/** A payload in a buffer of its own, with room around it for what the server wants to read there. */
export interface OutgoingMessage {
  readonly buffer: Buffer
  /** Of the payload. What is before and behind it will be written over. */
  readonly start: number
  readonly end: number
  readonly subject: string
  readonly replyTo: string
  /** The buffer may be used again. Not called where nobody can tell. */
  release(): void
}

/** Room before and behind an outgoing payload; with less of it, it is copied. */
export const HEAD_ROOM_BYTES = 192
export const TAIL_ROOM_BYTES = 2

export interface SubscribeOptions {
  /** Payloads are valid until `onMessage` returns: their arrays are used again. */
  readonly borrows?: boolean
}

export interface BusSubscription {
  /** From here on nothing is heard. */
  close(): void
  /**
   * Tells the server that nobody listens any more. Resolves when what it had passed on before has been heard,
   * or the connection is lost.
   */
  drain(): Promise<void>
}

export interface Bus {
  /** Largest message that the server takes, in bytes. May change with a reconnect. */
  readonly maxPayloadBytes: number
  /**
   * False from the moment the connection is known to be lost. What is published then is dropped, not
   * kept for later: a frame that arrives after its sender has given up does harm.
   */
  readonly isConnected: boolean
  /** So much waits for the kernel to take it that whoever can wait should. */
  readonly isCongested: boolean
  /** Called once: when the kernel has taken all, or the connection is lost. For a bus that is congested. */
  onceDrained(listener: () => void): void
  publish(subject: string, payload: Uint8Array): void
  /** Publishes without a copy. */
  send(message: OutgoingMessage): void
  subscribe(
    subject: string,
    onMessage: (message: BusMessage) => void,
    options?: SubscribeOptions,
  ): BusSubscription
  /** Called on every loss and every return of the connection. Returns what stops it. */
  onConnection(listener: (isConnected: boolean) => void): () => void
  /** Resolves when the server has seen everything published so far. */
  flush(): Promise<void>
}
