// The verified caller in the form that travels with a call. One token serves many calls: it is put into
// that form once.

import type { WirePrincipal } from '../../shared/frame.js'
import type { Principal } from '../auth.js'

const known = new WeakMap<Principal, WirePrincipal>()

export function wirePrincipal(principal: Principal): WirePrincipal {
  let wire = known.get(principal)
  if (wire === undefined) {
    wire = { subject: principal.subject, scopes: [...principal.scopes], claims: principal.claims }
    known.set(principal, wire)
  }
  return wire
}
