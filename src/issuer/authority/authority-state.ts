// The state document stands where the controller can read it too.

export * from '../../authorities/authority-state.ts';
