/** Property tests look for new counterexamples on every run at home; a gate must not depend on luck. */
import fc from 'fast-check';

if (process.env.CI) fc.configureGlobal({ seed: 2023_09 });
