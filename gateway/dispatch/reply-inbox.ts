// The one subscription on which a caller hears all its runners. The sender is in the subject.

import { performance } from 'node:perf_hooks'
import type { Bus, BusMessage, BusSubscription } from '../../shared/bus.js'
import type { Subjects } from '../../shared/subjects.js'
import type { Fleet } from './fleet.js'

export function openReplyInbox(
  bus: Bus,
  subjects: Subjects,
  callerId: string,
  fleet: Fleet,
): BusSubscription {
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
  const number = subjects.messageNumber(subject)
  const mayStillSpeak = runner.onUnheard(performance.now())
  if (mayStillSpeak) return runner.onNotArrived(number)
  fleet.onNobodyHears(runner)
  runner.onNoResponders(number)
}
