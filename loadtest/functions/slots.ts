/** Calls that one runner of a load test works on at once: what its scenario says. */
export const slots = Number(process.env.LOADTEST_SLOTS ?? 1)
