// How often peers are asked to look for our bundle, in seconds (SPIFFE Federation §4.1).

/** A fifth of the shortest time between publishing a key and signing with it: one hour, of JWT keys. */
export const MAX_REFRESH_HINT_SECONDS = 720;
export const DEFAULT_REFRESH_HINT_SECONDS = 300;
