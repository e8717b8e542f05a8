// Tells the process that started this one, once a second, that the event loop turns, and for how long a call
// may keep it from turning: `fleet/pulse.ts` judges by that. Calls have nothing to do with it.

import { url as debuggerUrl } from 'node:inspector'
import type { RunnerConfig } from '../shared/config.js'
import type { Manifest } from '../shared/manifest.js'
import type { RunnerMessage } from './fleet/runner-message.js'

const BEAT_MS = 1_000

/** Beats from now on, for as long as this process lives, unless the function's calls may take for ever. */
export function startHeartbeat(
  { timeoutMs }: Manifest,
  { cancelGraceMs }: RunnerConfig,
  tell: (message: RunnerMessage) => unknown,
): void {
  if (timeoutMs === null) return
  const beat = () => {
    // Who looks at it with a debugger stops it for as long as that takes.
    const longestCallMs = debuggerUrl() === undefined ? timeoutMs + cancelGraceMs : null
    tell({ type: 'beat', longestCallMs })
  }
  beat()
  setInterval(beat, BEAT_MS).unref()
}
