// The `socket` form: one WebSocket is one invocation, for as long as the function works on it.

import type { RunnerCallContext } from './call-context.js'
import type { SocketDeclaration } from './define-function.js'
import type { FunctionSocket } from './function-socket.js'

/** Resolves when the function has settled and the connection has been told to close. */
export async function serveSocket(
  declaration: SocketDeclaration<unknown>,
  context: RunnerCallContext<unknown>,
  socket: FunctionSocket,
): Promise<void> {
  await declaration.socket(socket, context)
  if (context.abortReason !== null) throw context.abortReason
  await socket.finish()
}

/** Browsers cannot set headers on a WebSocket: theirs come as a subprotocol with this before the token. */
const BEARER_PREFIX = 'bearer.'

/** The subprotocols that a client offers, without the one that carries its token. */
export function offeredProtocols(header: string | null): string[] {
  return (header ?? '')
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '' && !text.startsWith(BEARER_PREFIX))
}
