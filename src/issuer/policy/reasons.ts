// Why something is not signed. Constants that travel unchanged to node plugin, condition, Event,
// audit line and log; the first four words a node plugin may wait out.

export const REASON = {
  /** The pod is not known to this view, or the view is too old to sign by. */
  VIEW_BEHIND: 'ViewBehind',
  /** The derived SPIFFE ID is not the one last pushed; the push is under way. */
  ENTRY_CHANGED: 'EntryChanged',
  THROTTLED: 'Throttled',
  WRONG_NODE: 'WrongNode',
  POD_FINISHED: 'PodFinished',
  NO_VOLUME: 'NoVolume',
  POD_DELETED: 'PodDeleted',
  ENTRY_GONE: 'EntryGone',
  PREFETCH_LIMIT: 'PrefetchLimit',
  KEY_NOT_ALLOWED: 'KeyNotAllowed',
  KEY_REUSE: 'KeyReuse',
  REQUEST_INVALID: 'RequestInvalid',
  JWT_DENIED: 'JwtDenied',
  AUDIENCE_NOT_ALLOWED: 'AudienceNotAllowed',
  STATE_ROLLED_BACK: 'StateRolledBack',
} as const;
