// The one subscription on which a caller hears all its runners. The sender is in the subject.

import type { Bus, BusMessage } from '../../shared/bus.js'
import type { Subjects } from '../../shared/subjects.js'
import type { Fleet } from './fleet.js'

/** Returns what closes the inbox. */
export function openReplyInbox(
  bus: Bus,
  subjects: Subjects,
  callerId: string,
  fleet: Fleet,
): () => void {
  // What handlers hear of it is valid until they return, or until `onFlush`, which comes before we do.
  return bus.subscribe(
    subjects.callerInbox(callerId),
    (message) => onMessage(message, subjects, fleet),
    { borrows: true },
  )
}

function onMessage(message: BusMessage, subjects: Subjects, fleet: Fleet): void {
  const { subject } = message
  const runner = fleet.runner(subjects.sender(subject))
  // A runner that we have forgotten: whatever it says, its invocations have ended here.
  if (runner === undefined) return
  if (!message.noResponders) return runner.onMessage(message.payload)
  fleet.onNobodyHears(runner)
  runner.onNoResponders(subjects.messageNumber(subject))
}
