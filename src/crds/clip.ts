// Errors quote what they are about, and an object may hold a megabyte of it; they end up in answers,
// conditions and logs.

const MAX_LENGTH = 512;

/** `text`, or its beginning when it is long. */
export function clip(text: string): string {
  return text.length <= MAX_LENGTH ? text : `${text.slice(0, MAX_LENGTH).toWellFormed()}…`;
}
