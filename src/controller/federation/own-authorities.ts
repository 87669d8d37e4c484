// Our own trust domain as federation sees it: the bundle that peers get, and every public key that no
// peer may have. Made once for each state of the authorities.

import type { AuthorityState } from '../../authorities/authority-state.ts';
import { bundleOf, publicKeyOf } from '../../authorities/public-bundle.ts';
import { digestOfKey } from '../../federation/bundle-check.ts';
import type { OwnAuthorities } from '../../federation/bundle-intake.ts';
import type { PublicAuthorities } from '../public-authorities.ts';

/** A function that gives what is so now; undefined before it is known. */
export function ownAuthorities(authorities: PublicAuthorities): () => OwnAuthorities | undefined {
  let known: { readonly state: AuthorityState; readonly own: OwnAuthorities } | undefined;
  return () => {
    const state = authorities.current.value;
    if (state === undefined) return undefined;
    if (known?.state !== state) {
      const keys = new Set(state.authorities.map((each) => digestOfKey(publicKeyOf(each))));
      known = { state, own: { bundle: bundleOf(state), keys } };
    }
    return known.own;
  };
}
