import { CallError } from '../shared/errors.js'

/**
 * A call that the runner itself ends, with words for its caller. A CallError of anybody else's is not for
 * that caller: a function that uses `callgate/client` throws those of the calls that it has made.
 */
export class RunnerError extends CallError {}
