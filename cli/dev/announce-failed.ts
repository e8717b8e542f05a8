// Says for a runner that it has failed: one whose file cannot be imported any more dies before it knows whose
// runner it is, and calls would wait for it.

import { hostname } from 'node:os'
import { encodeAnnouncement, failureReason } from '../../shared/announcement.js'
import type { Bus } from '../../shared/bus.js'
import { PROTOCOL_VERSION } from '../../shared/frame.js'
import { DEFAULT_VERSION } from '../../shared/manifest.js'
import { newPeerId, type Subjects } from '../../shared/subjects.js'

/** A runner that failed in `load` has said so itself; then this is the same once more. */
export function announceFailed(
  bus: Bus,
  subjects: Subjects,
  functionName: string,
  message: string,
): void {
  const runner = newPeerId()
  const announcement = encodeAnnouncement({
    protocol: PROTOCOL_VERSION,
    runner,
    function: functionName,
    version: DEFAULT_VERSION,
    state: 'failed',
    slots: 0,
    busyBy: {},
    host: hostname(),
    pid: process.pid,
    startedAt: new Date().toISOString(),
    reason: failureReason('load_failed', message),
  })
  bus.publish(subjects.announce(functionName, runner), announcement)
}
