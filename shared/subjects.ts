// Every NATS subject is built and read here; no subject literal stands anywhere else.
//
//   <ns>.runner.<runner>.<caller>             caller -> runner
//   <ns>.caller.<caller>.<runner>[.<n>]       runner -> caller; `n` only as a reply-to (see outbox.ts)
//   <ns>.announce.<function>.<runner>         runner -> everybody
//   <ns>.discover                             anybody -> runners: announce yourselves now
//
// The last token of a message to a peer names its sender, so that a message needs no envelope. NATS permissions
// can say who may write to runners and who to callers; ids are random, so they cannot name one of them.

import { randomBytes } from 'node:crypto'

/** What a namespace, a function's name and a peer's id may be: one subject token. */
export const TOKEN = /^[A-Za-z0-9_-]{1,64}$/

export interface Subjects {
  /** Where `runner` hears `caller`. */
  toRunner(runner: string, caller: string): string
  /** Where `caller` hears `runner`. */
  toCaller(caller: string, runner: string): string
  runnerInbox(runner: string): string
  callerInbox(caller: string): string
  announce(functionName: string, runner: string): string
  readonly announcements: string
  /** What anybody announces under this id. */
  announcementsOf(runner: string): string
  /** The runner that may publish on this subject of an announcement. */
  announcer(subject: string): string
  readonly discover: string
  /** The KV bucket that holds the manifests. */
  readonly registryBucket: string
  /** The sender's id of a message to `runnerInbox` or `callerInbox`. */
  sender(subject: string): string
  /** The message number of a reply-to, or -1. */
  messageNumber(subject: string): number
}

/** @param namespace keeps several Callgates on one NATS apart; one subject token */
export function subjectsIn(namespace: string): Subjects {
  if (!TOKEN.test(namespace)) {
    throw new TypeError(
      `The namespace must match ${TOKEN.source}; it is ${JSON.stringify(namespace)}.`,
    )
  }
  // <ns>.runner. and <ns>.caller. have one length: the sender is the token after the next dot.
  const peerOffset = namespace.length + '.runner.'.length
  return {
    toRunner: (runner, caller) => `${namespace}.runner.${runner}.${caller}`,
    toCaller: (caller, runner) => `${namespace}.caller.${caller}.${runner}`,
    runnerInbox: (runner) => `${namespace}.runner.${runner}.*`,
    callerInbox: (caller) => `${namespace}.caller.${caller}.>`,
    announce: (functionName, runner) => `${namespace}.announce.${functionName}.${runner}`,
    announcements: `${namespace}.announce.>`,
    announcementsOf: (runner) => `${namespace}.announce.*.${runner}`,
    announcer: (subject) => subject.slice(subject.lastIndexOf('.') + 1),
    discover: `${namespace}.discover`,
    registryBucket: `${namespace}_functions`,
    sender(subject) {
      const start = subject.indexOf('.', peerOffset) + 1
      const end = subject.indexOf('.', start)
      return end === -1 ? subject.slice(start) : subject.slice(start, end)
    },
    messageNumber(subject) {
      const start = subject.indexOf('.', subject.indexOf('.', peerOffset) + 1)
      return start === -1 ? -1 : Number(subject.slice(start + 1))
    },
  }
}

/** A new id for a peer: 12 characters, 72 random bits. */
export function newPeerId(): string {
  return randomBytes(9).toString('base64url')
}
