// What one setting is: how its text is read, what `--help` says of it, and its value where nobody sets it.

import * as v from 'valibot'
import { MAX_TIMER_MS } from './max-timer.js'

/** What a value may be. Schemas read text, as the environment and the command line have it. */
export interface Kind<T> {
  readonly schema: v.GenericSchema<unknown, T>
  /** Completes "must be …" in a message. */
  readonly expected: string
  /** What stands for the value in `--help`; null: a flag without one. */
  readonly placeholder: string | null
}

export interface Setting<T> extends Kind<T> {
  readonly description: string
  readonly byDefault: T
}

export function setting<T>(kind: Kind<T>, description: string): Setting<T | undefined>
export function setting<T>(kind: Kind<T>, description: string, byDefault: NoInfer<T>): Setting<T>
export function setting<T>(
  kind: Kind<T>,
  description: string,
  byDefault?: T,
): Setting<T | undefined> {
  return { ...kind, description, byDefault }
}

export const text: Kind<string> = {
  schema: v.pipe(v.string(), v.nonEmpty()),
  expected: 'text that is not empty',
  placeholder: 'value',
}

/** What is fetched. A user or a password in it is refused by `fetch`, which repeats them as it does. */
export const httpUrl: Kind<string> = {
  schema: v.pipe(v.string(), v.check(isHttpWithoutUser)),
  expected: 'an http or https URL without a user and a password',
  placeholder: 'value',
}

/** As browsers send it; `*` for all, or in front of a domain for its subdomains. */
export const origin: Kind<string> = {
  schema: v.pipe(v.string(), v.check(isOrigin)),
  expected: 'an origin as https://app.example.com or https://*.example.com, or *',
  placeholder: 'value',
}

/** One word of letters, digits, - and _. */
export function word(form: RegExp): Kind<string> {
  return {
    schema: v.pipe(v.string(), v.regex(form)),
    expected: 'one word of letters, digits, - and _',
    placeholder: 'value',
  }
}

export function whole(min: number, max = Number.MAX_SAFE_INTEGER): Kind<number> {
  // An empty text is no number, though JavaScript says that it is 0.
  const digits = v.pipe(v.string(), v.trim(), v.regex(/^-?\d+$/), v.transform(Number))
  return {
    schema: v.pipe(v.union([v.number(), digits]), v.integer(), v.minValue(min), v.maxValue(max)),
    expected:
      max === Number.MAX_SAFE_INTEGER
        ? `a whole number, at least ${min}`
        : `a whole number from ${min} to ${max}`,
    placeholder: 'number',
  }
}

export const durationMs = whole(1, MAX_TIMER_MS)

/** True or false; 1 or 0 as well in the environment. A flag without a value on the command line. */
export const toggle: Kind<boolean> = {
  schema: v.union([
    v.boolean(),
    v.pipe(
      v.string(),
      v.toLowerCase(),
      v.picklist(['true', '1', 'false', '0']),
      v.transform((value) => value === 'true' || value === '1'),
    ),
  ]),
  expected: 'true or false',
  placeholder: null,
}

export function oneOf<const T extends string>(...words: readonly T[]): Kind<T> {
  return {
    schema: v.picklist(words),
    expected: `one of ${words.join(', ')}`,
    placeholder: words.join('|'),
  }
}

/** Items separated by commas, at least one: white space around them and empty ones do not count. */
export function listOf<T extends string>(item: Kind<T>): Kind<T[]> {
  return {
    schema: v.pipe(
      v.string(),
      v.transform((value): unknown[] =>
        value
          .split(',')
          .map((part) => part.trim())
          .filter((part) => part !== ''),
      ),
      v.array(item.schema),
      v.minLength(1),
    ),
    expected: `a list separated by commas, each ${item.expected}`,
    placeholder: 'value',
  }
}

function isOrigin(text: string): boolean {
  if (text === '*') return true
  const name = text.replace('://*.', '://')
  if (name.includes('*') || !URL.canParse(name)) return false
  // A browser leaves out the port where it is the scheme's own, and writes the host in lower case.
  const { protocol, host } = new URL(name)
  return host !== '' && name === `${protocol}//${host}`
}

function isHttpWithoutUser(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password } = new URL(text)
  return /^https?:$/.test(protocol) && username === '' && password === ''
}
