// Targets in words, and whether they are met.

import type { Target } from './result.js'

const SIGNIFICANT = { maximumSignificantDigits: 3 }

export function isMet({ value, comparison, target }: Target): boolean {
  if (value === null || !Number.isFinite(value)) return false
  return comparison === 'at least' ? value >= target : value <= target
}

/** Name, what is wanted, what was measured, and whether that is enough. */
export function targetCells(target: Target): [string, string, string, string] {
  const { name, comparison, value, unit } = target
  const measured = value === null || !Number.isFinite(value) ? 'nothing' : quantity(value, unit)
  const wanted = `${comparison} ${quantity(target.target, unit)}`
  return [name, wanted, measured, isMet(target) ? 'met' : 'missed']
}

export const TARGET_COLUMNS = ['target', 'wanted', 'measured', ''] as const

function quantity(value: number, unit: string): string {
  return `${formatNumber(value)} ${unit}`.trim()
}

function formatNumber(value: number): string {
  // Whole numbers in full: 1,234 is no longer than 1,230.
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en')
  return value.toLocaleString('en', SIGNIFICANT)
}
