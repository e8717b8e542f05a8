// Faults of an input in the form that the wire has. A schema or a function's own code may give anything:
// what a caller could not read would cost this runner all of its calls.

import type { InputIssue } from '../shared/errors.js'

/** A client reads the first ones; a body can be made to have as many as it likes. */
const MAX_ISSUES = 100

/** The first of `issues`; null where that is no array. */
export function toInputIssues(issues: unknown): InputIssue[] | null {
  return Array.isArray(issues) ? Array.from(issues.slice(0, MAX_ISSUES), toInputIssue) : null
}

function toInputIssue(issue: unknown): InputIssue {
  if (typeof issue !== 'object' || issue === null) return { path: [], message: textOf(issue) }
  const { path, message } = issue as { path?: unknown; message?: unknown }
  return { path: Array.isArray(path) ? Array.from(path, toStep) : [], message: textOf(message) }
}

/** A key, or an object that has it: Standard Schema allows both. */
function toStep(segment: unknown): string | number {
  const isObject = typeof segment === 'object' && segment !== null
  const key = isObject ? (segment as { key?: unknown }).key : segment
  return typeof key === 'number' ? key : textOf(key)
}

function textOf(value: unknown): string {
  // Objects may have no text, or throw when they are asked for it.
  const isPlain = value !== null && typeof value !== 'object' && typeof value !== 'function'
  return isPlain ? String(value ?? '') : ''
}
