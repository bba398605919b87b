/** Names in the folder of a run that more than one module knows. */

/** What a run was started with: `kaiwen train FOLDER` goes on with it. */
export const SETTINGS_FILE = 'settings.json';
/** What came out, once it was checked. */
export const RESULT_FILE = 'result.json';
