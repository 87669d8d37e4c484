// Texts in CEL, the language of the API server's own conditions and policies. Only what the rules
// here need; every member is asked for before it is read, because a missing one is an error there.

/** A string literal. JSON's escapes are all CEL's too. */
export function celString(text: string): string {
  return JSON.stringify(text);
}

export function celList(texts: readonly string[]): string {
  return `[${texts.map(celString).join(', ')}]`;
}

/** Whether the map at `path`, which may be missing, has this key. */
export function celHasKey(path: string, key: string): string {
  return `(has(${path}) && ${celString(key)} in ${path})`;
}

/** Whether one of the items of the list at `path`, which may be missing, fits `condition` on `x`. */
export function celExists(path: string, condition: string): string {
  return `(has(${path}) && ${path}.exists(x, ${condition}))`;
}

/** Whether an annotation with a comma-separated list holds one of these items. */
export function celAnnotationHas(annotation: string, items: readonly string[]): string {
  const annotations = 'object.metadata.annotations';
  const value = `${annotations}[${celString(annotation)}]`;
  const found = `${value}.split(",").exists(x, x.trim() in ${celList(items)})`;
  return `(${celHasKey(annotations, annotation)} && ${found})`;
}
