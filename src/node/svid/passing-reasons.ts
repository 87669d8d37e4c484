// Refusals that say nothing about what a pod may have: the issuer's view or ours is behind, or too
// much was asked at once. They are asked again and never shown as a denial.

const PASSING: ReadonlySet<string> = new Set(['EntryChanged', 'ViewBehind', 'Throttled']);
/** Of a published pod: the issuer has not yet heard that it is. */
const PASSING_ONCE_PUBLISHED = 'PrefetchLimit';

export function isPassing(reason: string, isPublished: boolean): boolean {
  return PASSING.has(reason) || (isPublished && reason === PASSING_ONCE_PUBLISHED);
}
