// What is asked of the client of WebSockets. Its result is a LoadResult: messages that came back as
// they were sent, and the time of each round trip.

export interface EchoesLoad {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Open at once. */
  readonly sockets: number
  /** That each sends, the next when the last has come back. */
  readonly messages: number
}
