/** Which instruction sets the machine that runs a test or a benchmark has. */
import { detectFeatures, instructionSets } from './cpu.js';
import type { IsaName } from './isa.js';
import { openForeign } from './mapping.js';

/** Best first; empty where native code cannot run at all. */
export function availableIsas(): IsaName[] {
  const foreign = openForeign();
  if ('refused' in foreign) return [];
  const features = detectFeatures(foreign);
  return 'refused' in features ? [] : instructionSets(features);
}
