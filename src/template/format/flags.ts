// The flags of one printf verb, and the padding that every verb shares.

export type Flags = {
  readonly width: number | undefined;
  readonly precision: number | undefined;
  readonly minus: boolean;
  readonly plus: boolean;
  readonly sharp: boolean;
  readonly space: boolean;
  readonly zero: boolean;
  /** Set instead of plus and sharp for %+v and %#v. */
  readonly plusV: boolean;
  readonly sharpV: boolean;
};

export const NO_FLAGS: Flags = {
  width: undefined,
  precision: undefined,
  minus: false,
  plus: false,
  sharp: false,
  space: false,
  zero: false,
  plusV: false,
  sharpV: false,
};

/** Pads to the width, counted in characters; zeros only to the left. */
export function pad(text: string, flags: Flags): string {
  if (flags.width === undefined) return text;
  const missing = flags.width - characterCount(text);
  if (missing <= 0) return text;
  const padding = (flags.zero && !flags.minus ? '0' : ' ').repeat(missing);
  return flags.minus ? text + padding : padding + text;
}

function characterCount(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    if ((text.codePointAt(at) ?? 0) > 0xffff) at += 1;
    count += 1;
  }
  return count;
}

/** Pads with spaces, whatever the zero flag says. */
export function padSpaces(text: string, flags: Flags): string {
  return pad(text, { ...flags, zero: false });
}
