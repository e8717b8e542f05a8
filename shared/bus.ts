// What the rest of the code knows of NATS: publish, subscribe, and whether the connection stands.
// `nats.ts` makes one of a real connection.

export interface BusMessage {
  readonly subject: string
  readonly payload: Uint8Array
  /** True for the server's answer to a message with a reply-to that nobody is subscribed to. */
  readonly noResponders: boolean
}

export interface Bus {
  /** Largest message that the server takes, in bytes. May change with a reconnect. */
  readonly maxPayloadBytes: number
  /**
   * False from the moment the connection is known to be lost. What is published then is dropped, not
   * kept for later: a frame that arrives after its sender has given up does harm.
   */
  readonly isConnected: boolean
  publish(subject: string, payload: Uint8Array, replyTo?: string): void
  /** Returns what ends the subscription. */
  subscribe(subject: string, onMessage: (message: BusMessage) => void): () => void
  /** Called on every loss and every return of the connection. Returns what stops it. */
  onConnection(listener: (isConnected: boolean) => void): () => void
  /** Resolves when the server has seen everything published so far. */
  flush(): Promise<void>
}
