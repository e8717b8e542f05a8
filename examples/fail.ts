// What a caller sees of an error: all of a PublicError, nothing of any other.

import { defineFunction, PublicError, type ThrowableCode } from 'callgate'
import { z } from 'zod'

const codes = [
  'bad_request',
  'unauthenticated',
  'forbidden',
  'not_found',
  'conflict',
  'payload_too_large',
  'unsupported_media_type',
  'invalid_input',
  'rate_limited',
  'function_failed',
  'unavailable',
] as const satisfies readonly ThrowableCode[]

export default defineFunction({
  input: z.object({
    code: z.enum(codes).optional(),
    message: z.string().default('This call was asked to fail.'),
  }),
  run: ({ code, message }) => {
    throw code ? new PublicError(code, message) : new Error(message)
  },
})
