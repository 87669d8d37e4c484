// What an entry may say beyond what its schema can tell; admission and derivation ask the same.

export const MAX_HINT_BYTES = 1024;

/** At most 64 as RFC 5280 appendix A.1 has it, of characters that no consumer reads as syntax. */
export const COMMON_NAME = /^[A-Za-z0-9._@-]{1,64}$/;
