// Where we refuse, on purpose, what Go prints. Nothing else may differ.

/** `because` is part of our message. */
const REFUSALS: readonly { readonly because: RegExp; readonly reason: string }[] = [
  {
    because: /printing a whole \S+ is refused/,
    reason: 'a struct in an identity is a mistake, and Go prints pointers in it as addresses',
  },
  { because: /printing the address of a \S+ is refused/, reason: 'it changes with every run' },
  {
    because: /printing the type of the template data is refused/,
    reason: 'it would be the name of a type in the program, not one of the API',
  },
  { because: /comparing a \S+ is refused/, reason: 'Go compares the addresses in it' },
  {
    because: /non-comparable types .*signet\.Data/,
    reason: 'Go compares the address of all of the data, which tells nothing',
  },
  { because: /printing a float64 with %[bxX] is refused/, reason: 'no policy has a use for it' },
  { because: /complex constant/, reason: 'no policy has a use for them' },
  { because: /the output would not be UTF-8/, reason: 'no identity is made of such bytes' },
  { because: /printf width or precision \d+ is more than 256/, reason: 'a limit' },
  {
    because: /more than \d+ (?:steps|bytes of text made)|call each other deeper than/,
    reason: 'limits: Go would run for ever, or to the end of its memory',
  },
];

type Ours = { readonly answer: string; readonly error?: string };

/** True when we refuse for a reason of the list; Go is not asked then. */
export function isKnownDifference(ours: Ours): boolean {
  return REFUSALS.some(({ because }) => because.test(ours.error ?? ''));
}
