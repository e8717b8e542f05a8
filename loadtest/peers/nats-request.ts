/** What the two ends of a bare nc.request() agree on. */
export const SUBJECT = 'request'
