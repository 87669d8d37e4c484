// A pod may ask for so many SVIDs a second, with a burst. The node is not trusted to hold its pods
// back, so the issuer counts for itself.

export { type RateLimit as MintLimit, RateLimits as MintLimits } from '../../base/rate-limits.ts';
