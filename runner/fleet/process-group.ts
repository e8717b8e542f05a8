// What a function has started and left behind, a model server say: it would keep its memory, and the GPU's,
// from the next runner. A runner leads a process group of its own, and what it starts is in it, unless that
// was started as the leader of another.

import { setTimeout as delay } from 'node:timers/promises'

/** For what is told to end to do so. */
const GRACE_MS = 1_000
const LOOK_MS = 20

/**
 * Ends what is left of the group. To be called at once when its leader has exited: its watchdog is still
 * in the group then, so the number is nobody else's.
 * @param isGraceful its leader was told to end, and so are the others; else they are killed
 */
export async function endGroup(leaderPid: number, isGraceful: boolean): Promise<void> {
  if (isGraceful && signalGroup(leaderPid, 'SIGTERM')) {
    const untilMs = performance.now() + GRACE_MS
    while (performance.now() < untilMs) {
      await delay(LOOK_MS)
      if (!signalGroup(leaderPid, 0)) return
    }
  }
  signalGroup(leaderPid, 'SIGKILL')
}

/** False where nobody is left in it, or nobody of ours. */
function signalGroup(leaderPid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-leaderPid, signal)
  } catch {
    return false
  }
}
