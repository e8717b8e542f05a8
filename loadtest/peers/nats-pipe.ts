// What the two ends of the pipe agree on.

export const SUBJECT = 'pipe'

// A quarter of what nats-server takes by default, and what Callgate's load sends at a time.
export const MESSAGE_BYTES = 256 * 1024

/** Sent and not yet acknowledged: enough to keep every hop busy, too little to pile up in one. */
export const WINDOW_BYTES = 4 * 1024 * 1024
